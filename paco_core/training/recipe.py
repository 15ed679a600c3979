"""Recipes: YAML files with options for ``paco train``; what the command says itself wins."""

from dataclasses import dataclass, fields, replace

from paco_core.presets import load_preset
from paco_core.training.options import Precision, TrainOptions, task_options

GROUP = "train"
"""Of the presets; they lie in ``configs/train``."""
UNSAID = (None, "auto", ())
"""What options are that the command leaves out."""


@dataclass(frozen=True)
class Recipe:
    """Options of the same names in ``TrainOptions``; None, ``auto`` and nothing leave it to the task."""

    max_minutes: float | None = None
    steps: int | None = None
    batch: int | None = None
    accumulate: int | None = None
    lr: float | None = None
    rates: tuple[str, ...] = ()
    weight_decay: float | None = None
    ema: float | None = None
    clip: float | None = None
    warmup: float | None = None
    precision: Precision = "auto"
    every_minutes: float | None = None
    set: tuple[str, ...] = ()


def with_recipe(options: TrainOptions) -> TrainOptions:
    """What ``options.config`` says where the command says nothing. Raises ``BadInput`` for a file that can't be used."""
    if options.config is None:
        return options
    recipe = load_preset(options.config, Recipe, group=GROUP)
    said = {field.name: getattr(options, field.name) for field in fields(Recipe)}
    chosen = {name: getattr(recipe, name) if value in UNSAID else value for name, value in said.items()}
    chosen["set"] = tuple(f"{name}={value}" for name, value in (task_options(recipe.set) | task_options(options.set)).items())
    return replace(options, **chosen)
