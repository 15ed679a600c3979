"""A rule of last resort: what the photo shows of an object is seen from the photo's camera, whatever the guesses before it said.

Every posed mesh is rendered alone. Where the photo shows ``a`` but ``b``'s mesh is nearer, ``a`` has to come before ``b`` (or
``b`` behind ``a``). Objects are scaled about the camera's centre, so that their silhouettes stay exactly as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
from jaxtyping import Float, Int

from paco_core.contacts import find_enclosed, find_feet
from paco_core.types import Camera, Deocclusion, Segmentation
from scene3d import contact
from scene3d.contact import Resting
from scene3d.draft import Draft, lengthen
from scene3d.rays import RayMesh
from scene3d.silhouette import fit_of
from scene3d.transforms import similarity
from scene3d.types import Ground, PlacementStep

SIDE_PX = 320
"""Longer side of the picture in which orders are compared: 1/3 % of the photo."""
WRONG_SHARE = 0.02
"""Of an object's visible part that another one may hide: masks and meshes are no better than that."""
LEAST_HIDDEN, MOST_HIDDEN = 0.05, 0.5
"""Of the common pixels that may stay hidden: outlines curve away from the camera."""
HOVER = 0.02
"""Of its height, that the base of what stands may be above the floor."""
SHORTEST, LONGEST = 0.3, 1.05
"""Of its height: a hidden base may be cut off, a seen one may grow by what nobody notices."""
FREE, PRICE = 0.7, 0.5
"""A move by more than a factor of two (logarithm) needs a reason: so much more of the visible part per factor of e. Meshes fill
gaps through which the photo shows things that are far behind."""
CLEARANCE = 0.003
"""Gap that is left, share of the distance; z-buffers of viewers need it."""
NEAREST, FARTHEST = 0.2, 2.0
"""What would have to move by more than this was lifted or placed all wrong: it is moved this far."""


@dataclass(frozen=True)
class Order:
    """``front`` has to be before ``behind``: ``log k_front - log k_behind <= slack`` for their scales k."""

    front: int
    behind: int
    slack: float
    share: float
    """Of what the photo shows of ``front``: where both meshes are."""


def render_alone(
    posed: Mapping[int, tuple[RayMesh, Float[np.ndarray, "4 4"]]], camera: Camera, hw: tuple[int, int]
) -> dict[int, Float[np.ndarray, "h w"]]:
    """z-depth of every posed mesh, inf where it is not."""
    K = camera.K.copy()
    K[0] *= hw[1] / camera.width
    K[1] *= hw[0] / camera.height
    return {i: mesh.render(K, pose, hw).z for i, (mesh, pose) in posed.items()}


def raster_of(camera: Camera) -> tuple[int, int]:
    """Size of the small picture."""
    shrink = min(1.0, SIDE_PX / max(camera.width, camera.height))
    return max(1, round(camera.height * shrink)), max(1, round(camera.width * shrink))


def small_labels(segmentation: Segmentation, hw: tuple[int, int]) -> Int[np.ndarray, "h w"]:
    """Id of the object that the photo shows at the centre of every cell, 0 where it shows none."""
    h, w = segmentation.masks.shape[1:]
    rows = ((np.arange(hw[0]) + 0.5) * h / hw[0]).astype(int)
    columns = ((np.arange(hw[1]) + 0.5) * w / hw[1]).astype(int)
    out = np.zeros(hw, int)
    for i, mask in zip(segmentation.ids, segmentation.masks, strict=True):
        out[mask[np.ix_(rows, columns)]] = i
    return out


def find_orders(
    shown: Int[np.ndarray, "h w"],
    z: Mapping[int, Float[np.ndarray, "h w"]],
    known: frozenset[tuple[int, int]] = frozenset(),
) -> tuple[Order, ...]:
    """Who has to be before whom, without cycles. ``known`` (front, behind) is never contradicted.

    Of two objects that would each hide a part of the other, the one that would lose the larger share of itself is in front.
    """
    found: dict[tuple[int, int], Order] = {}
    for a in z:
        mine = shown == a
        total = mine.sum()
        for b in z:
            both = mine & np.isfinite(z[a]) & np.isfinite(z[b])
            if a != b and both.sum() >= max(1, WRONG_SHARE * total):
                hidden = np.clip(WRONG_SHARE * total / both.sum(), LEAST_HIDDEN, MOST_HIDDEN)
                slack = float(np.quantile(np.log(z[b][both] / z[a][both]), hidden)) - CLEARANCE
                if both.sum() / total >= WRONG_SHARE + PRICE * max(-slack - FREE, 0.0):
                    found[a, b] = Order(a, b, slack, float(both.sum() / total))
    graph = nx.DiGraph()
    graph.add_nodes_from(z)
    for a, b in sorted(found, key=lambda pair: -found[pair].share - (pair in known)):
        if (b, a) not in known and not nx.has_path(graph, b, a):
            graph.add_edge(a, b)
    return tuple(found[a, b] for a, b in graph.edges)


def solve_scales(
    ids: tuple[int, ...],
    orders: tuple[Order, ...],
    carriers: Mapping[int, int],
    loose: frozenset[int],
    touching: Mapping[int, int] = {},
) -> dict[int, float]:
    """Scale of every object about the camera's centre, so that the orders hold; 1 where nothing has to move.

    ``loose`` objects (nobody sees where they stand) go back behind what hides them; then, from the back to the front,
    objects come before what they hide. What is carried moves with its carrier; ``touching`` ones (in a bowl, on a sofa) come to
    the surface that is seen around them, also from before it.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(ids)
    graph.add_edges_from((o.front, o.behind, {"slack": o.slack}) for o in orders)
    log_k = dict.fromkeys(ids, 0.0)
    sequence = list(nx.lexicographical_topological_sort(graph))
    for b in sequence:
        if b in loose:
            needed = [log_k[a] - s for a, _, s in graph.in_edges(b, data="slack")]
            log_k[b] = min(max([0.0, *needed]), float(np.log(FARTHEST)))
    for a in reversed(sequence):
        allowed = [log_k[b] + s for _, b, s in graph.out_edges(a, data="slack")]
        start = min(log_k[a], log_k[carriers[a]]) if carriers.get(a) in log_k else log_k[a]
        if graph.has_edge(a, touching.get(a)):
            start = min(log_k[touching[a]] + graph.edges[a, touching[a]]["slack"], float(np.log(FARTHEST)))
        log_k[a] = max(min([start, *allowed]), float(np.log(NEAREST)))
    return {i: float(np.exp(v)) for i, v in log_k.items()}


def bring_into_sight(drafts: list[Draft], deocclusion: Deocclusion, ground: Ground) -> None:
    """Without depth: what the photo shows of an object is seen from its camera (scene3d/sight.py)."""
    by_id = {d.obj.id: d for d in drafts if np.isfinite(d.pose).all() and np.isfinite(d.mesh.vertices).all()}
    hw = raster_of(deocclusion.camera)
    z = render_alone({i: (d.mesh, d.pose) for i, d in by_id.items()}, deocclusion.camera, hw)
    said = frozenset((e.front, e.behind) for e in deocclusion.occlusion.edges if np.isinf(e.weight))
    orders = find_orders(small_labels(deocclusion.segmentation, hw), z, said)
    feet = find_feet(deocclusion.segmentation)
    carriers = {i: d.resting.carrier for i, d in by_id.items() if d.resting and d.resting.carrier is not None}
    loose = frozenset(i for i, d in by_id.items() if feet[i].below > 0 and d.resting and d.resting.kind == "floor")
    enclosed = find_enclosed(deocclusion.segmentation)
    within = {i: j for i, j in carriers.items() if enclosed.get(i) == j}
    scales = solve_scales(tuple(by_id), orders, carriers, loose, within)
    for i, k in scales.items():
        if abs(k - 1) > 1e-6:
            _move_along_rays(by_id[i], k, ground)


def _move_along_rays(draft: Draft, k: float, ground: Ground) -> None:
    """Scale about the camera's centre; what stood on the floor and nearly does still reaches down to it."""
    draft.pose = similarity(np.eye(3), np.zeros(3), k) @ draft.pose
    draft.steps.append(PlacementStep(f"seen where the photo shows it ({k:.2f} x)", True, draft.fit.energy, draft.fit.energy))
    if draft.resting is None or draft.resting.kind == "object":
        return
    if draft.resting.kind == "floor":
        _reach_floor(draft, ground)
        base = contact.base_height(draft.mesh, draft.pose, ground)
        if abs(base) > HOVER * contact.extent_height(draft.mesh, draft.pose, ground):
            draft.resting = Resting("background", None, base)


def _reach_floor(draft: Draft, ground: Ground) -> None:
    """Make an object that moved a little along its rays longer or shorter, so that it stands on the floor again."""
    base = contact.base_height(draft.mesh, draft.pose, ground)
    tall = contact.extent_height(draft.mesh, draft.pose, ground)
    factor = 1 + base / max(tall, 1e-9)
    if SHORTEST <= factor <= LONGEST:
        lengthen(draft, factor)
        draft.fit = fit_of(draft.target, draft.mesh, draft.pose)
