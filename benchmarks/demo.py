"""Where the time of the main job goes, and how much memory it takes: ``python benchmarks/demo.py [--runs 3]``.

Every run is a fresh process without a run folder to resume from. Figures are medians over the runs; the shares and ratios are
what is worth comparing between machines.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def one_run(name: str) -> None:
    """In the child process: imports first, then the clock starts."""
    from paco_core.demo import load_demo
    from scene3d.pipeline import Inputs, reconstruct

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        demo = load_demo(name)
        result = reconstruct(Inputs(demo.photo, demo.segmentation, demo.camera, demo.depth), Path(folder) / "run")
        seconds = time.perf_counter() - start
        again = time.perf_counter()
        reconstruct(Inputs(demo.photo, demo.segmentation, demo.camera, demo.depth), Path(folder) / "run")
        resumed = time.perf_counter() - again
    stages = {stage: s for stage, (_, s) in result.timings.items()}
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "resumed": resumed, "peak_gb": peak_gb, "stages": stages}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return one_run(options.child)
    print("| demo | seconds after imports | peak memory GB | run again: share of time | largest stages, share of time |")
    print("|---|---|---|---|---|")
    for name in ("coffee", "motorcycle"):
        runs = [
            json.loads(subprocess.run([sys.executable, __file__, "--child", name], check=True, capture_output=True).stdout)
            for _ in range(options.runs)
        ]
        total = statistics.median(r["seconds"] for r in runs)
        stages = {k: statistics.median(r["stages"][k] for r in runs) for k in runs[0]["stages"]}
        stages["report and files"] = total - sum(stages.values())
        largest = sorted(stages, key=lambda k: -stages[k])[:5]
        peak, resumed = (statistics.median(r[k] for r in runs) for k in ("peak_gb", "resumed"))
        shares = ", ".join(f"{k} {100 * stages[k] / total:.0f} %" for k in largest)
        print(f"| {name} | {total:.1f} | {peak:.2f} | {100 * resumed / total:.0f} % | {shares} |")
    return None


if __name__ == "__main__":
    main()
