"""The network `pcnet` in NumPy gives what the trained one in torch gives; so do its priors and windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from paco_core.backends import pcnet_priors
from paco_core.backends.pcnet_network import window_px
from paco_core.backends.pcnet_numpy import DirectNumpy, depth_to_space, space_to_depth

torch = pytest.importorskip("torch", reason="what NumPy's form is compared with needs torch")
from paco_core.data.crops import windows  # noqa: E402
from paco_core.nets import priors  # noqa: E402
from paco_core.nets.direct import DirectNet  # noqa: E402

seeds = st.integers(0, 10_000)
NATIVE = 128


@pytest.fixture(scope="module")
def trained() -> DirectNet:
    """Every weight and every mean of its own."""
    torch.manual_seed(0)
    net = DirectNet().eval()
    with torch.no_grad():
        for name, value in net.state_dict().items():
            value.copy_(0.5 + torch.rand_like(value) if name.endswith("var") else 0.05 * torch.randn_like(value))
    return net


@pytest.fixture(scope="module")
def ours(trained: DirectNet) -> DirectNumpy:
    return DirectNumpy({name: value.numpy() for name, value in trained.state_dict().items()})


def blobs(seed: int, side: int = NATIVE, *, share: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise for colours, a mask of blobs, and what hides the rest in part."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.standard_normal((2, side, side)), (0, side / 20, side / 20))
    visible = fields[0] > np.quantile(fields[0], 1 - share)
    return rng.random((side, side, 3), dtype=np.float32), visible, (fields[1] > 0) & ~visible


def tensor(array: np.ndarray):
    """(h, w) or (h, w, c) to (1, c, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(array).transpose(2, 0, 1), np.float32))[None]


def array(picture) -> np.ndarray:
    """And back."""
    return picture[0].detach().numpy().transpose(1, 2, 0)


def agree(ours: DirectNumpy, trained: DirectNet, crop: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    with torch.inference_mode():
        colours, logit, place = map(array, trained(*map(tensor, crop)))
    found = ours(*crop)
    assert np.abs(found[0] - colours).max() < 1e-3
    assert np.abs(found[1] - logit[..., 0]).max() < 1e-3
    assert np.array_equal(found[2], place[..., 0] > 0)


@given(seed=seeds, share=st.floats(0.002, 0.9), side=st.sampled_from([64, 96, NATIVE]))
@settings(max_examples=20, deadline=None)
def test_numpy_and_torch_give_the_same_answer(ours, trained, seed: int, share: float, side: int):
    agree(ours, trained, blobs(seed, side, share=share))


def odd_masks() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    none, left = np.zeros((NATIVE, NATIVE), bool), np.arange(NATIVE)[None].repeat(NATIVE, 0) < 50
    dot, box = none.copy(), none.copy()
    dot[60, 70], box[30:90, 20:60] = True, True
    behind_a_gap = np.roll(box, 42, 1)
    return {
        "nothing": (none, none),
        "no occluder": (box, none),
        "no visible part": (none, box),
        "one pixel": (dot, box & ~dot),
        "everything seen": (~none, none),
        "everything hidden but a dot": (dot, ~dot),
        "halves": (left, ~left),
        "a gap of two pixels": (box, behind_a_gap & ~box),
        "overlapping": (box, left),
    }


@pytest.mark.parametrize("case", odd_masks())
def test_odd_masks_get_the_same_answer(ours: DirectNumpy, trained: DirectNet, case: str):
    agree(ours, trained, (blobs(0)[0], *odd_masks()[case]))


@given(seed=seeds, share=st.floats(0.002, 0.9), side=st.sampled_from([32, 64, 96, NATIVE]))
@settings(max_examples=60, deadline=None)
def test_priors_are_those_of_torch(seed: int, share: float, side: int):
    rgb, visible, occluder = blobs(seed, side, share=share)
    seen, hiding = tensor(visible), tensor(occluder)
    place, known = pcnet_priors.close_gaps(visible, occluder), pcnet_priors.known_colours(visible)
    assert np.array_equal(place, array(priors.close_gaps(seen, hiding))[..., 0] > 0)
    assert np.array_equal(known, array(priors.known_colours(seen))[..., 0] > 0)
    assert np.allclose(pcnet_priors.diffused(rgb, known), array(priors.diffused(tensor(rgb), tensor(known))), atol=1e-5)
    assert np.array_equal(pcnet_priors.mirrored(rgb, visible, place), array(priors.mirrored(tensor(rgb), seen, tensor(place))))


@given(seed=seeds, high=st.integers(1, 90), wide=st.integers(1, 90), share=st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_windows_are_those_of_training_to_the_last_bit(seed: int, high: int, wide: int, share: float):
    rng = np.random.default_rng(seed)
    visible, occluder = rng.random((high, wide)) < 0.1 * share, rng.random((high, wide)) < share
    visible[rng.integers(high), rng.integers(wide)] = True
    expected = windows(torch.from_numpy(visible[None]), torch.from_numpy(occluder[None]))[0].tolist()
    assert list(window_px(visible, occluder)) == expected


def test_pixels_are_shuffled_as_torch_does():
    x = np.random.default_rng(0).random((6, 4, 8), dtype=np.float32)
    assert np.array_equal(space_to_depth(x, 2), array(torch.nn.functional.pixel_unshuffle(tensor(x), 2)))
    assert np.array_equal(depth_to_space(x, 2), array(torch.nn.functional.pixel_shuffle(tensor(x), 2)))
