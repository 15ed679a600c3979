"""One object while it is being placed, and how hard placement tries."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from paco_core.types import CompleteObject
from scene3d.contact import Resting
from scene3d.rays import RayMesh
from scene3d.silhouette import Fit, Target
from scene3d.types import LiftedMesh, PlacementStep

Matrix = Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class PlaceConfig:
    """How hard placement tries."""

    raster_px: int = 112
    """Side of the raster in which silhouettes are compared; 112 px resolve 1 % of an object."""
    polish_steps: tuple[float, ...] = (0.03, 0.015, 0.007)
    """Pattern-search steps, share of the object's size."""
    min_gain: float = 1e-4
    """Energy that a step must save: below this it is noise of the raster."""
    contact_weight: float = 0.2
    """Of a gap of ``contact_gap_m`` (metric) or ``contact_gap_share`` of the height, in the energy: what touches may cost as much
    as three noise levels of depth, not more; else the object stands on something that nobody masked."""
    contact_gap_m: float = 0.05
    contact_gap_share: float = 0.05


@dataclass
class Draft:
    """One object while it is being placed (camera frame, depth unit)."""

    obj: CompleteObject
    lifted: LiftedMesh
    mesh: RayMesh
    target: Target
    pose: Matrix
    fit: Fit
    resting: Resting | None = None
    steps: list[PlacementStep] = field(default_factory=list)
    problem: str | None = None
    """Why it was not placed as it should be."""


def lengthen(draft: Draft, factor: float) -> None:
    """Stretch an upright mesh downwards, its top stays."""
    vertices = draft.lifted.mesh.vertices.copy()
    top = vertices[:, 1].max()
    vertices[:, 1] = top - (top - vertices[:, 1]) * factor
    draft.lifted = replace(draft.lifted, mesh=replace(draft.lifted.mesh, vertices=vertices))
    draft.mesh = RayMesh(vertices, draft.lifted.mesh.faces)
