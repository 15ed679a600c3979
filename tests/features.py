"""A feature extractor without a network, for tests: colours and their differences at three scales."""

import numpy as np
from jaxtyping import Float32, UInt8


class Pyramid:
    """Protocol ``FeatureExtractor``: RGB and its two gradients, averaged over 4, 8 and 16 px."""

    name = "pyramid"

    def maps(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> list[Float32[np.ndarray, "n _ _ _"]]:
        x = rgb.astype(np.float32).transpose(0, 3, 1, 2) / 255
        down, across = (np.abs(np.diff(x, axis=axis, append=np.take(x, [-1], axis))) for axis in (2, 3))
        return [_pool(np.concatenate([x, down, across], axis=1), size) for size in (4, 8, 16)]

    def pooled(self, rgb: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n d"]:
        last = self.maps(rgb)[-1]
        return np.concatenate([last.mean(axis=(2, 3)), last.std(axis=(2, 3))], axis=1)


def _pool(x: np.ndarray, size: int) -> np.ndarray:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // size, size, w // size, size).mean(axis=(3, 5))
