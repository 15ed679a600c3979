"""A virtual screen for tests of windows: Xvfb, driven by xdotool."""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from viewers.doctor import apt_line, missing_window_packages

STARTS_WITHIN_S = 120  # a loaded machine without a GPU
SCREEN_WH = (1280, 960)


def missing(reason: str) -> None:
    """Skip on somebody's laptop, fail where the check is a promise."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must open the window")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a virtual screen of its own."""
    for program, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool"), ("import", "imagemagick")):
        if shutil.which(program) is None:
            missing(f"needs {package}: {apt_line((package,))}")
    if importlib.util.find_spec("open3d") is None:
        missing("needs Open3D: pip install 'paco-scene3d[desktop]'")
    if packages := missing_window_packages():
        missing(f"needs system libraries: {apt_line(packages)}")
    number_file = tmp_path_factory.mktemp("screen") / "number"
    with number_file.open("w") as out:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", f"{SCREEN_WH[0]}x{SCREEN_WH[1]}x24", "-noreset"],
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
    wait_for(lambda: number_file.read_text().endswith("\n"))
    yield {**os.environ, "DISPLAY": f":{number_file.read_text().strip()}"}
    server.terminate()
    server.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while not condition():
        assert time.monotonic() < end, f"nothing after {STARTS_WITHIN_S} s"
        time.sleep(0.5)


def screenshot(on_screen: Callable[..., str], folder: Path) -> np.ndarray:
    file = folder / "screen.png"
    on_screen("import", "-window", "root", str(file))
    return np.asarray(Image.open(file).convert("RGB"))
