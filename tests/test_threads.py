"""The same result on any number of threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import trimesh
from threadpoolctl import threadpool_info, threadpool_limits

from paco_core.errors import BadInput, MissingDependency
from paco_core.presets import configure
from paco_core.threads import available_processors, on_one_blas_thread
from scene3d.clean import decimate
from scene3d.pipeline import Config, Inputs, reconstruct
from scene3d.synthetic.rooms import make_room
from viewers.device import check_device
from viewers.job import RunOptions, settings_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def hasty_threads():
    """Threads change places as often as they can, so that what they share shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_meshes_that_are_simplified_side_by_side_stay_their_own(hasty_threads):
    rings = [trimesh.creation.torus(1.0, radius, major_sections=60, minor_sections=40) for radius in np.linspace(0.1, 0.6, 8)]
    meshes = [(np.array(ring.vertices), np.array(ring.faces)) for ring in rings]
    alone = [decimate(vertices, faces, 900) for vertices, faces in meshes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda mesh: decimate(mesh[0], mesh[1], 900), meshes))
    for one, other in zip(alone, together, strict=True):
        assert one is not None and other is not None
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


def test_blas_adds_up_on_one_thread_meanwhile_and_as_before_afterwards():
    def blas_threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert on_one_blas_thread(blas_threads)() == {1}
        assert blas_threads() == before


def test_the_number_of_threads_does_not_change_the_scene(tmp_path: Path):
    room = make_room(1, hw=(64, 80), n_objects=2)
    inputs = Inputs(room.photo, room.segmentation, room.camera, room.depth)
    for threads in (1, 4):
        reconstruct(inputs, tmp_path / str(threads), Config(threads=threads))
    for name in ("scene.glb", "scene.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()


@pytest.mark.slow
def test_no_number_of_threads_anywhere_changes_the_scene(tmp_path: Path):
    """With two BLAS threads instead of one, this photo once gave another mesh."""
    for threads in ("1", "2", "4"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        words = [sys.executable, "-m", "viewers.cli", "demo", "motorcycle", "--threads", threads, "--out", threads]
        subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True)
    for name in ("scene.glb", "scene.json"):
        assert len({(tmp_path / threads / "motorcycle" / name).read_bytes() for threads in ("1", "2", "4")}) == 1


def test_processors_are_those_that_this_process_may_use():
    assert 1 <= available_processors() <= (os.cpu_count() or 1)


TORCH = """
class cuda:
    is_available = staticmethod(lambda: {cuda})
class backends:
    class mps:
        is_available = staticmethod(lambda: False)
"""


@pytest.fixture
def torch_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a PyTorch that says whether it has a GPU."""

    def make(cuda: bool) -> None:
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        (tmp_path / "torch.py").write_text(TORCH.format(cuda=cuda))
        monkeypatch.syspath_prepend(tmp_path)

    yield make
    sys.modules.pop("torch", None)


def test_a_device_that_is_there_is_taken_and_another_is_refused(torch_with):
    torch_with(cuda=True)
    check_device("cuda")
    with pytest.raises(BadInput, match="--device mps: there is no Apple GPU that PyTorch can use here"):
        check_device("mps")


def test_a_device_that_is_not_there_is_a_sentence(torch_with):
    torch_with(cuda=False)
    with pytest.raises(BadInput, match="--device cuda: there is no NVIDIA GPU that PyTorch can use here"):
        check_device("cuda")


def test_torch_is_not_imported_unless_a_device_needs_it(torch_with):
    torch_with(cuda=True)
    check_device("auto")
    check_device("cpu")
    assert "torch" not in sys.modules


def test_a_device_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("viewers.device.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pip install torch"):
        check_device("cuda")


def test_a_completer_is_taken_by_its_name():
    assert settings_of(RunOptions(completer="classical")).deocclusion.completer == "classical"
    with pytest.raises(BadInput, match="Did you mean 'classical'"):
        settings_of(RunOptions(completer="clasical"))


def test_impossible_numbers_are_refused():
    with pytest.raises(BadInput, match="--threads 0"):
        settings_of(RunOptions(threads=0))
    with pytest.raises(BadInput, match="--seed -1"):
        settings_of(RunOptions(seed=-1))
    with pytest.raises(BadInput, match="threads must be 1 or more"):
        configure({"threads": -2}, Config, "mine.yaml")
