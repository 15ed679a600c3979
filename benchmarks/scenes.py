"""How fast scenes with truth are made: ``python benchmarks/scenes.py [--models DIR --textures DIR] [--runs 3]``.

Without folders six models and some textures are made for it. Every run is a fresh ``write_shards`` with all outputs at 256 px;
starting the processes counts. Shares of one process by step are printed, too.
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from pathlib import Path

STEPS = {
    "arranging": ("layout.py", "fill"),
    "light and colour": ("lighting.py", "lit_layers"),
    "composing": ("truth.py", "develop"),
    "GLB": ("glb.py", "scene_glb"),
    "its textures": ("baking.py", "scene_of"),
    "PNG": ("sceneio.py", "_png"),
    "arrays": ("sceneio.py", "_npz"),
}
"""Name of a step, and the function whose time is its."""


def rate(folder: Path, models: Path | None, textures: Path | None, jobs: int, count: int, objects: tuple[int, int]) -> float:
    from scene3d.synthetic.scenes import SceneSettings
    from scene3d.synthetic.shards import ShardPlan, write_shards

    plan = ShardPlan(count, models=models, textures=textures, settings=SceneSettings(n_objects=objects))
    start = time.perf_counter()
    write_shards(plan, folder, jobs=jobs)
    return count / (time.perf_counter() - start)


def shares(models: Path | None, textures: Path | None, count: int) -> dict[str, float]:
    from scene3d.synthetic.sceneio import encode
    from scene3d.synthetic.scenes import make_scene
    from scene3d.synthetic.stock import open_stock

    stock = open_stock(models, textures)
    encode(make_scene(0, stock=stock))
    profile = cProfile.Profile()
    profile.enable()
    for seed in range(count):
        encode(make_scene(seed, stock=stock))
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    return {
        label: next((v[3] for k, v in stats.items() if k[0].endswith(file) and k[2] == name), 0.0) / total
        for label, (file, name) in STEPS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--textures", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=96)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--objects", type=int, nargs=2, default=(2, 10))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        models, textures = options.models, options.textures
        if models is None:
            from tests.stockfiles import write_models, write_textures

            models, textures = write_models(Path(made) / "models"), write_textures(Path(made) / "textures")
        rates = []
        for run in range(options.runs):
            rates.append(rate(Path(made) / f"run{run}", models, textures, options.jobs, options.count, tuple(options.objects)))
        print(f"{statistics.median(rates):.2f} scenes/s by {options.jobs} processes (runs: {[round(r, 2) for r in rates]})")
        for label, share in shares(models, textures, 12).items():
            print(f"  {label:<18} {share:.0%}")


if __name__ == "__main__":
    main()
