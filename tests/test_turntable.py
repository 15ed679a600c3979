"""The turntable goes round without jumps, begins where it promises, and its files can be read back, picture by picture."""

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import scene3d.film
from paco_core.errors import BadInput, MissingDependency
from scene3d.render import SceneRenderer
from scene3d.scene import save_scene
from scene3d.turntable import LOOK_DOWN_DEG, Turntable, camera_path, film, write_turntable
from scene3d.types import Scene, TexturedMesh
from tests.scenes import make_scene
from viewers.cli import main

SMALL = Turntable(size_px=64, fps=8, seconds=1)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Boxes and a room of one colour each: what a film's compression does to fine patterns is not ours."""
    room, colours = make_scene(3), iter([(200, 40, 30), (30, 160, 60), (180, 170, 150), (90, 110, 160)])

    def paint(mesh: TexturedMesh) -> TexturedMesh:
        return replace(mesh, texture=np.full((8, 8, 3), next(colours), np.uint8))

    assert room.floor is not None and room.backdrop is not None
    objects = tuple(replace(item, mesh=paint(item.mesh)) for item in room.objects)
    return replace(room, objects=objects, floor=paint(room.floor), backdrop=paint(room.backdrop))


def frames(path: Path) -> list[np.ndarray]:
    """The pictures of an animated WebP or GIF."""
    with Image.open(path) as image:
        count = getattr(image, "n_frames", 1)
        shown = []
        for k in range(count):
            image.seek(k)
            shown.append(np.asarray(image.convert("RGB")).astype(int))
    return shown


def looks_down_deg(poses: np.ndarray) -> np.ndarray:
    return np.degrees(np.arcsin(-poses[:, 1, 2]))


def test_a_swing_begins_with_the_photos_own_view(scene: Scene):
    assert np.allclose(camera_path(scene, SMALL)[0], scene.world_from_camera)
    first = next(film(scene, SMALL))
    assert max(first.shape) == 64 and first.shape[0] % 2 == first.shape[1] % 2 == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 50), swing=st.none() | st.floats(1, 180))
def test_the_path_is_rigid_closed_and_without_jumps(seed: int, swing: float | None):
    path = camera_path(make_scene(seed), Turntable(swing_deg=swing, fps=20, seconds=6))
    turns = path[:, :3, :3]
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    steps = np.linalg.norm(path[:, :3, 3] - np.roll(path[:, :3, 3], 1, axis=0), axis=1)
    assert steps.max() < 5 * steps.mean()  # also from the last picture to the first


def test_a_swing_reaches_both_sides_and_a_full_turn_sees_the_back(scene: Scene):
    swing, full = (camera_path(scene, replace(SMALL, swing_deg=d, fps=36)) for d in (35.0, None))
    yaw = np.degrees(np.arctan2(swing[:, 0, 2], -swing[:, 2, 2]))
    yaw -= yaw[0]
    assert np.ptp(yaw) == pytest.approx(70, abs=1)
    assert full[18, :3, 2] @ full[0, :3, 2] < 0
    assert (looks_down_deg(full) >= LOOK_DOWN_DEG - 1e-6).all()


def test_in_a_full_turn_every_object_stays_in_the_frame(scene: Scene):
    whole = replace(scene, floor=None, backdrop=None)
    renderer, plan = SceneRenderer(whole), replace(SMALL, swing_deg=None)
    for pose in camera_path(whole, plan):
        ids = renderer.render(whole.camera, pose, hw=(48, 64)).ids
        border = np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]])
        assert (ids > 0).any() and (border < 1).all()


@pytest.mark.parametrize("ending", ["webp", "gif"])
def test_films_of_pillow_hold_the_pictures_that_were_rendered(scene: Scene, tmp_path: Path, ending: str):
    calls = []
    path = tmp_path / f"film.{ending}"
    write_turntable(scene, path, SMALL, progress=lambda *call: calls.append(call[:3]))
    assert calls == [("turntable", k + 1, 8) for k in range(8)]
    with Image.open(path) as image:
        image.load()
        assert image.info["loop"] == 0 and image.info["duration"] == pytest.approx(125, abs=5)
    read, rendered = frames(path), list(film(scene, SMALL))
    assert len(read) == len(rendered) == 8
    for got, expected in zip(read, rendered, strict=True):
        assert got.shape == expected.shape and np.abs(got - expected).mean() < 6


def test_an_mp4_can_be_read_back(scene: Scene, tmp_path: Path):
    if importlib.util.find_spec("av") is None:
        if os.environ.get("CI"):
            pytest.fail("needs PyAV, and CI must write MP4")
        pytest.skip("needs PyAV: pip install 'paco-scene3d[video]'")
    import av

    write_turntable(scene, tmp_path / "film.mp4", SMALL)
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 8 and stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        read = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(stream)]
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # a browser shows it before it has all of it
    rendered = list(film(scene, SMALL))
    assert len(read) == len(rendered)
    for got, expected in zip(read, rendered, strict=True):
        assert got.shape == expected.shape and np.abs(got - expected).mean() < 12


def test_without_its_library_mp4_says_what_to_install_before_it_renders(scene: Scene, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependency, match=r"pip install 'paco-scene3d\[video\]'.*\.webp"):
        write_turntable(scene, tmp_path / "film.mp4", SMALL, progress=lambda *_: pytest.fail("rendered"))


def test_a_gif_that_would_be_too_large_gets_coarser(tmp_path: Path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    write = scene3d.film.film_writer(tmp_path / "film.gif")
    write(noise, 10.0)
    large = (tmp_path / "film.gif").stat().st_size
    monkeypatch.setattr(scene3d.film, "GIF_BYTES", large - 1)
    write(noise, 10.0)
    assert (tmp_path / "film.gif").stat().st_size < large


def test_an_interrupted_film_leaves_the_old_one_and_nothing_half(scene: Scene, tmp_path: Path):
    for name in ("film.gif", "film.mp4") if importlib.util.find_spec("av") else ("film.gif",):
        (tmp_path / name).write_bytes(b"old")

        def stop(stage: str, done: int, total: int, note: str = "") -> None:
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_turntable(scene, tmp_path / name, SMALL, progress=stop)
        assert (tmp_path / name).read_bytes() == b"old"
    assert all(path.read_bytes() == b"old" for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"swing_deg": 0.0}, "1 to 180 degrees"),
        ({"swing_deg": float("nan")}, "1 to 180 degrees"),
        ({"size_px": 100_000}, "64 to 1920 px"),
        ({"fps": 0.0}, "1 to 60 a second"),
        ({"seconds": float("inf")}, "a time above 0"),
        ({"seconds": -1.0}, "a time above 0"),
        ({"seconds": 1e6}, "2 to 1800"),
        ({"seconds": 0.01}, "2 to 1800"),
    ],
)
def test_films_that_cannot_be_are_refused(options: dict, sentence: str):
    with pytest.raises(BadInput, match=sentence):
        Turntable(**options)


def test_other_endings_and_scenes_without_objects_are_refused(scene: Scene, tmp_path: Path):
    with pytest.raises(BadInput, match=r"end it with .mp4, .webp or .gif"):
        write_turntable(scene, tmp_path / "film.avi", SMALL)
    with pytest.raises(BadInput, match="no object"):
        write_turntable(replace(scene, objects=()), tmp_path / "film.gif", SMALL)


def test_the_command_films_a_run_folder(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    save_scene(scene, tmp_path)
    words = ["turntable", str(tmp_path), "--size", "64", "--seconds", "0.4"]
    assert main(words) == 0
    assert "turntable.webp: 8 pictures" in capsys.readouterr().out
    assert len(frames(tmp_path / "turntable.webp")) == 8
    assert main([*words, "--full", "--fps", "10", "--out", str(tmp_path / "a.gif")]) == 0
    assert len(frames(tmp_path / "a.gif")) == 4
    assert main([*words, "--out", str(tmp_path / "a.txt")]) == 2
    assert main([*words, "--fps", "0"]) == 2
    assert main(["turntable", str(tmp_path / "nowhere")]) == 2
