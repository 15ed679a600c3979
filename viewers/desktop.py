"""A desktop window that shows the scene of a run folder (extra ``desktop``: Open3D).

Open3D ends the whole process when a driver is missing, and nothing can catch that. The window therefore lives in a child
process; the parent says in a sentence what went wrong there.
"""

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from paco_core.errors import MissingDependency
from scene3d.scene import load_scene
from scene3d.types import Scene, TexturedMesh
from viewers.doctor import apt_line, missing_window_packages
from viewers.orbit import Orbit

OPENED = "window is open"
"""What the child says on stdout once its first picture is drawn."""
# Filament's unlit material shows half of the linear colour (measured, Open3D 0.20); 2.0, encoded as sRGB, makes up for it
_FULL_COLOUR = [1.3533, 1.3533, 1.3533, 1.0]
_OPENS_WITHIN_WH = (1200, 800)
"""Pixels that the window fits into when it opens: common screens have more."""
_ZOOM_PER_NOTCH = 0.9


def open_window(run: Path) -> None:
    """Show the scene of ``run`` until its window is closed. Raises ``BadInput`` and ``MissingDependency``."""
    load_scene(run)  # its errors are sentences; raised here they need no window
    if importlib.util.find_spec("open3d") is None:
        raise MissingDependency("The window needs Open3D: pip install 'paco-scene3d[desktop]'")
    if missing := missing_window_packages():
        raise MissingDependency(f"The window needs system libraries that are not here: {apt_line(missing)}")
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise MissingDependency("There is no screen here (DISPLAY is not set): run this in a desktop session.")
    child = subprocess.run([sys.executable, "-m", "viewers.desktop", str(run)], capture_output=True, text=True)
    if child.returncode != 0 and OPENED not in child.stdout:
        last = (child.stderr or child.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise MissingDependency(
            f"The window could not be opened ({last[0].strip()}). `paco doctor` says what this machine has; "
            f"{run / 'scene.glb'} opens in any glTF viewer."
        )


class SceneWindow:
    """The window itself; made and used in the child process only."""

    def __init__(self, scene: Scene) -> None:
        self._open3d: Any = importlib.import_module("open3d")
        self._scene = scene
        gui = self._open3d.visualization.gui
        self._app = gui.Application.instance
        self._app.initialize()
        photo_wh = scene.camera.width, scene.camera.height
        scale = min(most / side for most, side in zip(_OPENS_WITHIN_WH, photo_wh, strict=True))
        size_wh = [round(scale * side) for side in photo_wh]
        self._window = self._app.create_window(f"{scene.name} · paco", *size_wh)
        self._view = gui.SceneWidget()
        self._view.scene = self._open3d.visualization.rendering.Open3DScene(self._window.renderer)
        self._view.scene.set_background([1.0, 1.0, 1.0, 1.0])
        # no tone mapping: the textures are the photo's own colours, light included
        self._view.scene.view.set_post_processing(False)
        self._view.set_on_mouse(self._on_mouse)
        self._hint = gui.Label("drag: turn    Shift + drag: move    wheel: nearer, farther")
        self._home = gui.Button("the photo's view")
        self._home.set_on_clicked(self.look_from_photo)
        for child in (self._view, self._hint, self._home):
            self._window.add_child(child)
        self._window.set_on_layout(self._layout)
        self._pointer: tuple[int, int] = (0, 0)
        self._orbit = Orbit(scene.world_from_camera, self._middle())

    def show(self) -> None:
        """Fill the window and run it until it is closed."""
        for item in self._scene.objects:
            self._add(f"{item.id} {item.name}", item.mesh, item.world_from_object.matrix)
        for name, mesh in (("floor", self._scene.floor), ("backdrop", self._scene.backdrop)):
            if mesh is not None:
                self._add(name, mesh, np.eye(4))
        self.look_from_photo()
        self._app.post_to_main_thread(self._window, lambda: print(OPENED, flush=True))
        self._app.run()

    def look_from_photo(self) -> None:
        """Put the camera where the photo was taken."""
        self._look(Orbit(self._scene.world_from_camera, self._middle()))

    def _look(self, orbit: Orbit) -> None:
        self._orbit = orbit
        camera, box = self._scene.camera, self._view.scene.bounding_box
        self._view.setup_camera(camera.K, np.linalg.inv(orbit.world_from_camera), camera.width, camera.height, box)
        self._view.force_redraw()

    def _on_mouse(self, event: Any) -> Any:
        gui = self._open3d.visualization.gui
        if event.type == gui.MouseEvent.Type.WHEEL:
            self._look(self._orbit.zoomed(_ZOOM_PER_NOTCH**event.wheel_dy))
        elif event.type == gui.MouseEvent.Type.DRAG:
            frame = self._view.frame
            right, down = (event.x - self._pointer[0]) / frame.width, (event.y - self._pointer[1]) / frame.height
            move = event.is_modifier_down(gui.KeyModifier.SHIFT)
            self._look(self._orbit.moved(right, down) if move else self._orbit.turned(right, down))
        self._pointer = (event.x, event.y)
        return gui.Widget.EventCallbackResult.CONSUMED

    def _middle(self) -> Float[np.ndarray, "3"]:
        half_up = np.array([0.0, 0.5, 0.0])
        places = [item.world_from_object.translation + half_up * item.size_m[1] for item in self._scene.objects]
        return np.mean(places, axis=0)

    def _add(self, name: str, mesh: TexturedMesh, world_from_mesh: Float[np.ndarray, "4 4"]) -> None:
        geometry, utility = self._open3d.geometry, self._open3d.utility
        shape = geometry.TriangleMesh(
            utility.Vector3dVector(np.array(mesh.vertices)), utility.Vector3iVector(np.array(mesh.faces, np.int32))
        )
        uv = mesh.uv[mesh.faces.reshape(-1)]
        shape.triangle_uvs = utility.Vector2dVector(np.column_stack([uv[:, 0], 1 - uv[:, 1]]))  # its origin is bottom-left
        material = self._open3d.visualization.rendering.MaterialRecord()
        material.shader = "defaultUnlit"
        material.albedo_img = geometry.Image(_encode_twice(mesh.texture))
        material.base_color = _FULL_COLOUR
        self._view.scene.add_geometry(name, shape, material)
        self._view.scene.set_geometry_transform(name, world_from_mesh)

    def _layout(self, context: Any) -> None:
        gui = self._open3d.visualization.gui
        whole, bar = self._window.content_rect, int(2 * self._window.theme.font_size)
        button = int(12 * self._window.theme.font_size)
        self._view.frame = gui.Rect(whole.x, whole.y, whole.width, whole.height - bar)
        self._hint.frame = gui.Rect(whole.x + bar // 2, whole.get_bottom() - 3 * bar // 4, whole.width - button - bar, bar)
        self._home.frame = gui.Rect(whole.get_right() - button, whole.get_bottom() - bar, button, bar)


def _encode_twice(texture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """sRGB's curve once more: without post-processing Filament shows linear values as they are."""
    levels = np.arange(256) / 255
    curve = np.where(levels <= 0.0031308, 12.92 * levels, 1.055 * levels ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return np.round(255 * curve).astype(np.uint8)[texture]


if __name__ == "__main__":
    SceneWindow(load_scene(Path(sys.argv[1]))).show()
