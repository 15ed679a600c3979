"""A real browser for tests of pages: the system's Chromium, driven by Playwright."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from viewers.doctor import apt_line

FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")  # root has no sandbox; WebGL without a GPU


def missing(reason: str) -> None:
    """Skip on somebody's laptop, fail where the check is a promise."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must look at the page")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing(f"needs a browser: {apt_line(('chromium',))}")
    if importlib.util.find_spec("playwright") is None:
        missing("needs what drives the browser: pip install playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()
