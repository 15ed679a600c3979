"""Banks and packs that tests make themselves."""

import numpy as np
import torch

from paco_core.data.bank import Bank


def shapes_bank(count: int = 12, size: int = 32, seed: int = 0) -> Bank:
    """Rings, discs, boxes and bars of one bright colour each, with soft edges."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.indices((size, size)) + 0.5) / size * 2 - 1
    half = 1 - 4 / size
    pictures = []
    for k in range(count):
        radius = np.hypot(rows, columns)
        away = [radius - half, np.abs(radius - 0.7 * half) - 0.25, np.maximum(np.abs(rows), np.abs(columns)) - half]
        away.append(np.maximum(np.abs(rows) / 0.3, np.abs(columns)) - half)
        alpha = np.clip(0.5 - away[k % 4] * size / 4, 0, 1)
        colour = np.broadcast_to(rng.uniform(40, 255, 3)[:, None, None], (3, size, size))
        pictures.append(np.concatenate([colour, 255 * alpha[None]]).astype(np.uint8))
    names = tuple(f"shape {k}" for k in range(count))
    rgba = torch.from_numpy(np.stack(pictures))
    return Bank(rgba, names, names, ("drawn",) * count, torch.arange(count), torch.full((count,), 1 / count))
