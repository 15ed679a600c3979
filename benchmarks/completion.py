"""How long does a layer of hidden objects take? ``python benchmarks/completion.py [--side 256] [--runs 5] [--weights FILE]``.

Layers of 1, 3 and 8 discs, each half hidden by a box, by every completer and by the network of ``pcnet`` alone. Medians of
processor time, which other programs change little; the first layer reads the weights.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from paco_core.backends.base import CompletionTarget
from paco_core.backends.classical import ClassicalCompleter
from paco_core.backends.pcnet import WEIGHTS, PcnetCompleter
from paco_core.threads import on_one_blas_thread

LAYERS = (1, 3, 8)


def layer(count: int, side_px: int) -> tuple[CompletionTarget, ...]:
    """Striped discs of different sizes."""
    y, x = np.mgrid[:side_px, :side_px] / side_px
    stripes = np.stack([120 + 60 * np.sin(30 * x), 110 + 60 * np.sin(25 * y), 90 + 40 * np.sin(20 * (x + y))], -1)
    found = []
    for k in range(count):
        disc = np.hypot(x - 0.45, y - 0.5) < 0.3 + 0.015 * k
        front = (np.abs(x - 0.75) < 0.22) & (np.abs(y - 0.5) < 0.46)
        rgb = np.where((disc | front)[..., None], stripes, 230).astype(np.uint8)
        found.append(CompletionTarget(k, "disc", rgb, disc & ~front, front))
    return tuple(found)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@on_one_blas_thread
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256, help="of the crops, px")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    pcnet, classical = PcnetCompleter(options.weights), ClassicalCompleter()
    first = seconds(partial(pcnet.complete_layer, layer(1, options.side)))
    print(f"first layer of pcnet, reading the weights included: {first:.2f} s\n")
    methods = {
        "classical": classical.complete_layer,
        "pcnet": pcnet.complete_layer,
        "pcnet, network alone": pcnet._network.answers,
    }
    print(f"| objects, {options.side} px | {' | '.join(methods)} | pcnet / classical |\n|{'---|' * (len(methods) + 2)}")
    for count in LAYERS:
        jobs = [partial(method, layer(count, options.side)) for method in methods.values()]
        took = [statistics.median(seconds(job) for _ in range(options.runs)) for job in jobs]
        print(f"| {count} | {' | '.join(f'{s:.3f} s' for s in took)} | {took[1] / took[0]:.2f} |")


if __name__ == "__main__":
    main()
