"""``paco view`` opens a real window, under a virtual screen: it is painted, starts at the photo's view and can be turned."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from scene3d.render import FLAT_SHADING, render_scene
from scene3d.scene import save_scene
from scene3d.types import Scene, TexturedMesh
from tests.scenes import make_scene
from tests.screens import screenshot, wait_for

pytestmark = pytest.mark.slow
STROKE_S = 0.8  # shorter than a frame of the software renderer, a press and its release are one event
BAR_PX = 32  # under the picture: two lines of text


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Boxes in a room, every mesh in four shades of a colour of its own: no corner looks like another."""
    room = make_scene(3)
    shades = np.kron([[1.0, 0.85], [0.7, 0.55]], np.ones((64, 64)))[..., None]
    paints = iter([(200, 40, 30), (30, 160, 60), (180, 170, 150), (90, 110, 160)])

    def paint(mesh: TexturedMesh) -> TexturedMesh:
        return replace(mesh, texture=(shades * next(paints)).astype(np.uint8))

    objects = tuple(replace(item, mesh=paint(item.mesh)) for item in room.objects)
    assert room.floor is not None and room.backdrop is not None
    return replace(room, objects=objects, floor=paint(room.floor), backdrop=paint(room.backdrop))


@pytest.fixture
def window(screen: dict[str, str], scene: Scene, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``paco view`` showing the scene; what the fixture gives runs a command on its screen."""

    def on_screen(*command: str) -> str:
        return subprocess.run(command, env=screen, check=True, capture_output=True, text=True).stdout

    save_scene(scene, tmp_path / "run")
    command = [sys.executable, "-m", "viewers.cli", "view", str(tmp_path / "run")]
    ctrl_c_works = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whatever the suite's own parent does with it
    process = subprocess.Popen(command, env=screen, preexec_fn=ctrl_c_works)
    try:
        wait_for(lambda: process.poll() is None and len(colours(screenshot(on_screen, tmp_path))) > 4)
        yield on_screen
        assert process.poll() is None, "the window closed by itself"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def colours(picture: np.ndarray) -> np.ndarray:
    return np.unique(picture.reshape(-1, 3), axis=0)


def view_of(picture: np.ndarray, scene: Scene) -> np.ndarray:
    """The part of a screenshot that shows the photo's field of view: the window without its bar."""
    rows, columns = np.nonzero(picture.any(axis=2))  # the screen behind the window is black
    window = picture[rows.min() : rows.max() + 1 - BAR_PX, columns.min() : columns.max() + 1]
    width = round(window.shape[0] * scene.camera.width / scene.camera.height)
    left = (window.shape[1] - width) // 2
    return window[:, left : left + width]


def drag(on_screen: Callable[..., str], start_xy: tuple[int, int], end_xy: tuple[int, int]) -> None:
    for words in (("mousemove", *start_xy), ("mousedown", 1), ("mousemove", *end_xy), ("mouseup", 1)):
        on_screen("xdotool", *map(str, words))
        time.sleep(STROKE_S)


def test_the_window_starts_at_the_photos_view_and_turns_when_dragged(window: Callable[..., str], scene: Scene, tmp_path: Path):
    shown = view_of(screenshot(window, tmp_path), scene)
    expected = render_scene(scene, scene.camera, scene.world_from_camera, hw=shown.shape[:2], shading=FLAT_SHADING)
    difference = np.abs(shown.astype(int) - expected.rgb).max(axis=2)[expected.ids >= 0]
    assert np.mean(difference <= 2) > 0.93  # edges and seams of shades differ by their smoothing
    drag(window, (600, 400), (800, 380))
    turned = view_of(screenshot(window, tmp_path), scene)
    assert np.mean(np.abs(shown.astype(int) - turned).max(axis=2) > 30) > 0.1
