"""What people install: the wheel and the source archive hold what they need, and the main job runs from them alone."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
DATA = {
    "paco_core/configs/lossless.yaml",
    *(file.relative_to(ROOT).as_posix() for file in (ROOT / "paco_core/demo").iterdir() if file.is_file()),
}
WINDOW_OR_NETWORK = ("open3d", "open3d-cpu", "torch", "opencv-python", "opencv-contrib-python")
"""OpenCV's headless wheel, which cuts out objects without masks, has no windows."""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    tool = folder / "tool"
    venv.create(tool, with_pip=True)
    run(tool / "bin/pip", "install", "-q", "build", cwd=folder)
    run(tool / "bin/python", "-m", "build", "-q", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "-q", next(archives.glob("*.whl")), cwd=folder)
    return folder


def test_the_wheel_holds_presets_and_demo_masks_and_no_tests(archives: Path):
    names = zipfile.ZipFile(next(archives.glob("*.whl"))).namelist()
    assert set(names) >= DATA
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_the_source_archive_can_be_tested(archives: Path):
    with tarfile.open(next(archives.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "configs/lossless.yaml", "tests/test_package.py"} <= names


def test_the_main_job_runs_from_the_wheel_without_window_or_network_libraries(installed: Path, tmp_path: Path):
    packages = run(installed / "bin/pip", "list", "--format=freeze", cwd=tmp_path).lower()
    assert not [name for name in WINDOW_OR_NETWORK if f"\n{name}==" in f"\n{packages}"]
    done = subprocess.run([installed / "bin/paco", "demo", "coffee"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr  # 3: finished, with listed fallbacks
    again = "import sys; from viewers.cli import main; main(['demo', 'coffee']); print('cv2' in sys.modules)"
    assert run(installed / "bin/python", "-c", again, cwd=tmp_path).endswith("False\n"), "OpenCV is loaded where masks are given"
    assert (tmp_path / "runs/demo/coffee/scene.glb").stat().st_size > 10_000


def test_a_preset_of_the_wheel_is_found(installed: Path, tmp_path: Path):
    code = "from paco_core.presets import preset_names; print(*preset_names())"
    assert "lossless" in run(installed / "bin/python", "-c", code, cwd=tmp_path).split()


def test_the_window_says_what_to_install(installed: Path, tmp_path: Path):
    code = "from pathlib import Path; from scene3d.scene import save_scene; from tests.scenes import make_scene; "
    subprocess.run([sys.executable, "-c", f"{code}save_scene(make_scene(), Path({str(tmp_path)!r}))"], cwd=ROOT, check=True)
    done = subprocess.run([installed / "bin/paco", "view", "."], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'paco-scene3d[desktop]'" in done.stderr
