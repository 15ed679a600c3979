"""Weights that are no part of the package."""

from pathlib import Path

from paco_core.errors import BadInput


def given(weights: Path | None, name: str, what: str) -> Path:
    """The path of somebody's own weights. Raises ``BadInput`` that says ``what`` to give where there is none."""
    if weights is None or not weights.exists():
        where = "no part of the package" if weights is None else f"not at {weights}"
        raise BadInput(f"The weights of {name} are {where}: give {what} (paco eval deocclusion --inpainter {name}=PATH).")
    return weights
