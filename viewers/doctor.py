"""What this machine has, and what is missing for what. Needs nothing but the standard library to say so."""

import ctypes
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROJECT = "paco-scene3d"
WINDOW_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libvulkan.so.1": "libvulkan1",
}
"""What Open3D's wheel loads from the system, and Debian's and Ubuntu's package for it."""
VULKAN_DRIVERS = "mesa-vulkan-drivers"
_ICD_FOLDERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
_ENOUGH_DISK_GB = 0.2  # a run folder of a 12-megapixel photo with ten objects takes about that much


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    found: str
    verdict: Literal["ok", "missing", "optional"]


def examine(folder: Path) -> tuple[Finding, ...]:
    """Everything, in the order in which it is read; ``folder`` is where runs would be written."""
    return (*_program(), _embree(), *_machine(folder), *_optional())


def missing_window_packages() -> tuple[str, ...]:
    """System packages (Debian's names) that ``paco view`` lacks; only looked for on Linux."""
    if sys.platform != "linux":
        return ()
    missing = [package for library, package in WINDOW_LIBRARIES.items() if not _loads(library)]
    drivers = any(Path(folder).glob("*.json") for folder in map(Path, _ICD_FOLDERS) if folder.is_dir())
    return (*missing, *(() if drivers else (VULKAN_DRIVERS,)))


def apt_line(packages: tuple[str, ...]) -> str:
    """The command that installs them."""
    return f"apt-get install {' '.join(packages)}"


def _program() -> tuple[Finding, ...]:
    paco = Finding(PROJECT, str(_version(PROJECT)), "ok")
    python = Finding("Python", f"{platform.python_version()} on {platform.platform()}", "ok")
    return (paco, python, *(_package(name) for name in _needed_packages()))


def _needed_packages() -> tuple[str, ...]:
    """What the project's own metadata asks for on every machine: no extras, nothing bound to a platform."""
    requirements = importlib.metadata.requires(PROJECT) or ()
    return tuple(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in requirements if ";" not in line)


def _package(name: str) -> Finding:
    found = _version(name)
    return Finding(name, found or f"pip install {name}", "ok" if found else "missing")


def _embree() -> Finding:
    found = _version("embreex")
    return Finding("embreex (ray casting)", found or "not here: slower rasteriser in its place", "ok" if found else "optional")


def _machine(folder: Path) -> tuple[Finding, ...]:
    disk = shutil.disk_usage(_existing(folder)).free / 1e9
    return (
        Finding("processors", str(os.cpu_count()), "ok"),
        Finding("memory", _memory(), "ok"),
        Finding("free disk", f"{disk:.1f} GB at {_existing(folder)}", "ok" if disk > _ENOUGH_DISK_GB else "missing"),
    )


def _optional() -> tuple[Finding, ...]:
    open3d, packages = _version("open3d") or _version("open3d-cpu"), missing_window_packages()
    window = [] if open3d else ["pip install 'paco-scene3d[desktop]'"]
    window += [apt_line(packages)] if packages else []
    return (
        _extra("HEIC photos (pillow-heif)", "pillow-heif", "heic"),
        _extra("EXR depth (OpenEXR)", "OpenEXR", "exr"),
        _extra("MP4 films (PyAV)", "av", "video"),
        _extra("folders of 3D models (trimesh)", "trimesh", "models"),
        Finding("paco view (Open3D)", "; ".join(window) or str(open3d), "optional" if window else "ok"),
        _torch(),
    )


def _extra(what: str, distribution: str, extra: str) -> Finding:
    version = _version(distribution)
    return Finding(what, version or f"pip install '{PROJECT}[{extra}]'", "ok" if version else "optional")


def _torch() -> Finding:
    version = _version("torch")
    install = f"pip install '{PROJECT}[networks]', for training and perceptual figures; the main job runs without"
    return Finding("torch", f"{version}, {_cuda()}" if version else install, "ok" if version else "optional")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.resolve()
    return next(path for path in (folder, *folder.parents) if path.exists())


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB"
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return "unknown"


def _cuda() -> str:
    """Asked in another process: importing torch takes seconds, and a broken driver may end it."""
    code = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else 'no CUDA device')"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "which doesn't answer"
    return done.stdout.strip() if done.returncode == 0 else "which can't be imported"
