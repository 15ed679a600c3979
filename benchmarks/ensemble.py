"""How fast are Object Ensemble scenes composed, and against one object after the other in NumPy?

python benchmarks/ensemble.py PACK... [--size 128] [--batch 32] [--device cpu]; one CPU thread, process time. With
MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 before it, glibc keeps the memory of large tensors.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from paco_core.data.arrange import EnsembleSettings
from paco_core.data.augment import Roughness, rough_masks, shadowed
from paco_core.data.bank import Bank, read_bank
from paco_core.data.ensemble import compose
from paco_core.data.subset import choose_subset

RUNS = 7


def seconds(work: Callable[[], object], device: str) -> float:
    """Median; on a GPU the wall clock, on a CPU the process's time, which other programs don't lengthen as much."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    taken = []
    for _ in range(RUNS):
        start = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(clock() - start)
    return float(np.median(taken))


def compose_one_by_one(bank: Bank, rng: np.random.Generator, size: int, slots: int) -> tuple[np.ndarray, ...]:
    """A scene as a data loader would make it: Pillow resizes, NumPy paints; no tilt, no jitter, no second try."""
    picture, amodal, visible, alone = np.ones((size, size, 3)), [], [], []
    weights = bank.weights.numpy().astype(float)
    for index in rng.choice(len(bank), rng.integers(2, slots + 1), p=weights / weights.sum()):
        side = int(np.exp(rng.uniform(np.log(0.2), np.log(0.8))) * size)
        image = Image.fromarray(bank.rgba[index].permute(1, 2, 0).numpy())
        rgba = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) / 255
        top, left = rng.integers(0, size - side + 1, 2)
        whole = np.zeros((size, size, 4))
        whole[top : top + side, left : left + side] = rgba
        alpha = whole[..., 3:]
        picture = alpha * whole[..., :3] + (1 - alpha) * picture
        alone.append(alpha * whole[..., :3] + (1 - alpha))
        mask = alpha[..., 0] > 0.5
        visible = [other & ~mask for other in visible] + [mask]
        amodal.append(mask)
    return picture, np.stack(amodal), np.stack(visible), np.stack(alone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    bank = read_bank(args.packs, size=args.size)
    print(f"{len(bank)} pictures read in {time.perf_counter() - start:.1f} s")
    rng = np.random.default_rng(0)
    settings = EnsembleSettings(size=args.size)
    one_by_one = seconds(lambda: [compose_one_by_one(bank, rng, args.size, settings.slots) for _ in range(args.batch)], "cpu")
    bank = bank.to(args.device)
    generator = torch.Generator(args.device).manual_seed(0)
    batch = compose(bank, generator, settings, args.batch)
    steps: dict[str, Callable[[], object]] = {
        "compose": lambda: compose(bank, generator, settings, args.batch),
        "rough masks": lambda: rough_masks(batch.visible, generator, Roughness()),
        "shadows": lambda: shadowed(batch.composite, generator, Roughness()),
        "subset": lambda: choose_subset(batch, generator),
    }
    print(f"| one by one in NumPy, fewer outputs | {args.batch / one_by_one:.1f} scenes/s | 1 |")
    for name, work in steps.items():
        taken = seconds(work, args.device)
        print(f"| {name} | {args.batch / taken:.1f} scenes/s | {one_by_one / taken:.2f} |")


if __name__ == "__main__":
    main()
