"""How well invented colours meet true ones, where the true object is hidden. Visible pixels are copies, and would flatter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from scipy import ndimage
from skimage.metrics import structural_similarity

LEAST_PX = 16
"""Smaller hidden parts have no structure to compare."""
SSIM_WINDOW = 7
"""Px, uniform: scikit-image's own default."""
WHITE = 255


@dataclass(frozen=True)
class ColourScore:
    """One object's hidden part."""

    pixels: int
    squared_error: float
    """Summed over pixels, mean over channels, grey levels squared (0 … 255)."""
    ssim: float
    """Mean of the SSIM map (Wang et al. 2004) over the hidden pixels, the object on white."""
    sharpness: float
    """Gradient energy of the invented part over that of the true one: 1 as sharp, 0 smooth. NaN where the truth is flat."""

    @property
    def psnr(self) -> float:
        """Of this hidden part, dB; at most 50."""
        return _psnr(self.squared_error / self.pixels)


def score_colours(
    completed: UInt8[np.ndarray, "h w 3"],
    true: UInt8[np.ndarray, "h w 3"],
    amodal: Bool[np.ndarray, "h w"],
    visible: Bool[np.ndarray, "h w"],
) -> ColourScore | None:
    """Compare inside of the true hidden part, ``amodal`` without ``visible``; None where there is next to nothing."""
    hidden = amodal & ~visible
    if hidden.sum() < LEAST_PX or min(hidden.shape) < SSIM_WINDOW:
        return None
    error = ((completed[hidden].astype(np.float64) - true[hidden]) ** 2).mean(axis=-1)
    truth = np.where(amodal[..., None], true, WHITE)
    ours = np.where(hidden[..., None], completed, truth)
    ssim_map = structural_similarity(truth, ours, win_size=SSIM_WINDOW, channel_axis=-1, data_range=255, full=True)[-1]
    inside = np.asarray(ndimage.binary_erosion(hidden), bool)  # no gradient across the part's own edge
    energies = [float(_gradient_energy(picture)[inside].sum()) for picture in (ours, truth)]
    sharpness = energies[0] / energies[1] if energies[1] > 0 else math.nan
    return ColourScore(int(hidden.sum()), float(error.sum()), float(np.asarray(ssim_map).mean(axis=-1)[hidden].mean()), sharpness)


def pooled_psnr(scores: Sequence[ColourScore]) -> float:
    """From the mean squared error of all hidden pixels together, dB: flat objects don't rule it."""
    pixels = sum(s.pixels for s in scores)
    return _psnr(sum(s.squared_error for s in scores) / pixels) if pixels else math.nan


def mean_psnr(scores: Sequence[ColourScore]) -> float:
    """Every object counts the same, dB."""
    return float(np.mean([s.psnr for s in scores])) if scores else math.nan


def mean_ssim(scores: Sequence[ColourScore]) -> float:
    """Every object counts the same."""
    return float(np.mean([s.ssim for s in scores])) if scores else math.nan


def median_sharpness(scores: Sequence[ColourScore]) -> float:
    """The median object's, of those whose hidden part is not flat."""
    known = [s.sharpness for s in scores if not math.isnan(s.sharpness)]
    return float(np.median(known)) if known else math.nan


def _psnr(mean_squared_error: float) -> float:
    return min(50.0, 10 * math.log10(255**2 / max(mean_squared_error, 1e-9)))


def _gradient_energy(picture: np.ndarray) -> Float64[np.ndarray, "h w"]:
    grey = picture.astype(np.float64).mean(axis=-1)
    down, across = np.gradient(grey)
    return down**2 + across**2
