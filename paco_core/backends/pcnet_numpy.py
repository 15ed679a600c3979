"""``DirectNet`` (``paco_core.nets.direct``) in NumPy, for one crop: 2 million weights run without torch's gigabytes.

Maps are (h, w, channels) float32. Convolutions are matrix products, whose last bits depend on the number of BLAS threads.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from paco_core.backends.pcnet_priors import close_gaps, diffused, known_colours, mirrored
from paco_core.nets.direct_plan import CHANNELS, STEP, WIDTHS

EPSILON = np.float32(1e-5)
"""Added to variances, as ``torch.nn.BatchNorm2d`` does."""


class State:
    """Weights, of which every layer takes its own by name and shape."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._left = dict(weights)

    def take(self, name: str, *shape: int) -> Float32[np.ndarray, "..."]:
        """Raises ``ValueError`` where it is missing or has another shape."""
        if name not in self._left:
            raise ValueError(f"{name} is missing")
        value = self._left.pop(name)
        if value.shape != shape:
            raise ValueError(f"{name} has the shape {value.shape} in place of {shape}")
        return value.astype(np.float32)

    def finish(self) -> None:
        """Raises ``ValueError`` where no layer took one of them."""
        if self._left:
            raise ValueError(f"{min(self._left)} is none of this network's")


class Linear:
    """``torch.nn.Linear``, or ``torch.nn.Conv2d`` of ``size`` x ``size`` px in steps of as many, without a rim."""

    def __init__(self, state: State, name: str, before: int, after: int, size: int = 0) -> None:
        self._size = size
        kernel = state.take(f"{name}.weight", after, before, *([size, size] if size else []))
        self._matrix = np.ascontiguousarray(kernel.reshape(after, -1).T)
        self._bias = state.take(f"{name}.bias", after)

    def __call__(self, x: Float32[np.ndarray, "... before"]) -> Float32[np.ndarray, "... after"]:
        """Vectors to vectors; (h, w, before) to (h/size, w/size, after)."""
        return (space_to_depth(x, self._size) if self._size > 1 else x) @ self._matrix + self._bias


class Conv3:
    """``torch.nn.Conv2d`` of 3 x 3 px with a rim of zeros: every row of the kernel is one matrix product."""

    def __init__(self, state: State, name: str, before: int, after: int) -> None:
        kernel = state.take(f"{name}.weight", after, before, 3, 3)
        self._rows = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)).reshape(3, 3 * before, after)
        self._bias = state.take(f"{name}.bias", after)

    def __call__(self, x: Float32[np.ndarray, "h w before"]) -> Float32[np.ndarray, "h w after"]:
        """(h, w, before) to (h, w, after)."""
        high, wide, _ = x.shape
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        beside = np.concatenate([padded[:, k : k + wide] for k in range(3)], 2).reshape((high + 2) * wide, -1)
        above, middle, below = (beside[k * wide : (k + high) * wide] @ self._rows[k] for k in range(3))
        return (above + middle + below + self._bias).reshape(high, wide, -1)


class NormRelu:
    """``torch.nn.BatchNorm2d`` with the means of training, and nothing below 0."""

    def __init__(self, state: State, name: str, channels: int) -> None:
        gain, bias, mean, variance = (
            state.take(f"{name}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")
        )
        self._scale = gain / np.sqrt(variance + EPSILON)
        self._offset = bias - mean * self._scale

    def __call__(self, x: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w c"]:
        """(h, w, channels) to the same."""
        return np.maximum(x * self._scale + self._offset, 0)


class Residual:
    """Skip + conv(relu(norm(conv(relu(norm(x)))))), 3 x 3 each."""

    def __init__(self, state: State, name: str, before: int, channels: int) -> None:
        self._norms = NormRelu(state, f"{name}.norms.0", before), NormRelu(state, f"{name}.norms.1", channels)
        self._first = Conv3(state, f"{name}.first", before, channels)
        self._second = Conv3(state, f"{name}.second", channels, channels)
        self._skip = None if before == channels else Linear(state, f"{name}.skip", before, channels, 1)

    def __call__(self, x: Float32[np.ndarray, "h w before"]) -> Float32[np.ndarray, "h w c"]:
        """(h, w, before) to (h, w, channels)."""
        inner = self._first(self._norms[0](x))
        return (x if self._skip is None else self._skip(x)) + self._second(self._norms[1](inner))


class GlobalContext:
    """Every channel scaled and shifted by what mean and maximum of the whole crop say."""

    def __init__(self, state: State, name: str, channels: int) -> None:
        self._read = Linear(state, f"{name}.read", 2 * channels, channels)
        self._write = Linear(state, f"{name}.write", channels, 2 * channels)

    def __call__(self, x: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w c"]:
        """(h, w, channels) to the same."""
        pooled = np.concatenate([x.mean((0, 1)), x.max((0, 1))])
        scale, shift = np.split(self._write(np.maximum(self._read(pooled), 0)), 2)
        return x * (1 + scale) + shift


class DirectNumpy:
    """The network with its weights. Raises ``ValueError`` for weights that are not exactly ``DirectNet``'s."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        state, pairs = State(weights), list(enumerate(pairwise(WIDTHS)))
        self._stem = Conv3(state, "stem", CHANNELS * STEP**2, WIDTHS[0])
        self._encode = [Residual(state, f"encode.{k}", width, width) for k, width in enumerate(WIDTHS)]
        self._down = [Linear(state, f"down.{k}", fine, coarse, 2) for k, (fine, coarse) in pairs]
        self._context = GlobalContext(state, "context", WIDTHS[-1])
        self._middle = Residual(state, "middle", WIDTHS[-1], WIDTHS[-1])
        self._up = [Linear(state, f"up.{k}", coarse, fine, 1) for k, (fine, coarse) in pairs]
        self._decode = [Residual(state, f"decode.{k}", 2 * fine, fine) for k, (fine, _) in pairs]
        self._norm = NormRelu(state, "norm", WIDTHS[0])
        self._out = Conv3(state, "out", WIDTHS[0], 4 * STEP**2)
        state.finish()

    def __call__(
        self,
        rgb: Float32[np.ndarray, "s s 3"],
        visible: Bool[np.ndarray, "s s"],
        occluder: Bool[np.ndarray, "s s"],
        gaps: Bool[np.ndarray, "s s"] | bool = False,
    ) -> tuple[Float32[np.ndarray, "s s 3"], Float32[np.ndarray, "s s"], Bool[np.ndarray, "s s"]]:
        """Colours, amodal logit, and the occluder with gaps closed, of one crop.

        ``rgb`` is the picture, 0 … 1; s a multiple of ``MULTIPLE``; ``gaps`` is the part of the occluder that was a gap. The
        answer holds within the returned occluder; everywhere else the visible mask is all there is.
        """
        given, occluder = occluder & ~np.bool_(gaps), close_gaps(visible, occluder)
        seen = (visible | occluder)[..., None]
        fill, mirror = diffused(rgb, known_colours(visible)), mirrored(rgb, visible, occluder)
        priors = [
            (rgb - 0.5) * seen,
            visible,
            occluder,
            fill - 0.5,
            mirror[..., :3] - 0.5 * mirror[..., 3:],
            mirror[..., 3:],
            (occluder & ~given).astype(np.float32),
            (rgb - 0.5) * ~seen,
        ]
        answer = self._unet(np.dstack(priors).astype(np.float32))
        return fill + answer[..., :3], answer[..., 3], occluder

    def _unet(self, x: Float32[np.ndarray, "s s 16"]) -> Float32[np.ndarray, "s s 4"]:
        x = self._stem(space_to_depth(x, STEP))
        kept = []
        for encode, down in zip(self._encode, self._down, strict=False):
            kept.append(encode(x))
            x = down(kept[-1])
        x = self._middle(self._context(self._encode[-1](x)))
        for finer, up, decode in zip(kept[::-1], self._up[::-1], self._decode[::-1], strict=True):
            x = decode(np.dstack([up(x).repeat(2, 0).repeat(2, 1), finer]))
        return depth_to_space(self._out(self._norm(x)), STEP)


def space_to_depth(x: Shaped[np.ndarray, "h w c"], step: int) -> Shaped[np.ndarray, "p q d"]:
    """``torch.nn.functional.pixel_unshuffle``: (h, w, c) to (h/step, w/step, c * step²)."""
    high, wide, channels = x.shape
    blocks = x.reshape(high // step, step, wide // step, step, channels)
    return blocks.transpose(0, 2, 4, 1, 3).reshape(high // step, wide // step, -1)


def depth_to_space(x: Shaped[np.ndarray, "p q d"], step: int) -> Shaped[np.ndarray, "h w c"]:
    """``torch.nn.functional.pixel_shuffle``: the inverse."""
    high, wide, _ = x.shape
    blocks = x.reshape(high, wide, -1, step, step)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(high * step, wide * step, -1)
