"""Who hides whom, without cycles, and the depth layers that follow (PACO section 4.3)."""

import logging
import math

import networkx as nx

from paco_core.backends.base import OrderPredictor
from paco_core.errors import BadInput
from paco_core.types import DepthMap, OcclusionEdge, OcclusionGraph, Photo, Segmentation

log = logging.getLogger(__name__)


def find_occlusions(
    photo: Photo,
    segmentation: Segmentation,
    depth: DepthMap,
    predictor: OrderPredictor,
    *,
    overrides: tuple[str, ...] = (),
) -> OcclusionGraph:
    """Occlusion graph of touching objects; cycles lose their weakest edge, which is reported in ``dropped``.

    ``overrides`` are the user's words, ``"cup>saucer"`` (cup hides saucer): names or ids. They win over every cue.
    Raises ``BadInput`` for an override that names nothing here, and for overrides that contradict each other.
    """
    forced = tuple(_parse(text, segmentation) for text in overrides)
    decided = {frozenset((e.front, e.behind)) for e in forced}
    predicted = predictor.order(photo, segmentation, depth)
    edges = forced + tuple(e for e in predicted if frozenset((e.front, e.behind)) not in decided)
    kept, dropped = break_cycles(edges, segmentation)
    for edge in dropped:
        log.warning("cycle: dropped %d > %d (weight %.2f, by %s)", edge.front, edge.behind, edge.weight, edge.reason)
    return OcclusionGraph(segmentation.ids, kept, dropped, layers_of(segmentation.ids, kept))


def break_cycles(
    edges: tuple[OcclusionEdge, ...], segmentation: Segmentation
) -> tuple[tuple[OcclusionEdge, ...], tuple[OcclusionEdge, ...]]:
    """Remove the lightest edge of a cycle until there is none. Returns (kept, dropped), both in a stable order."""
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((e.front, e.behind, e.weight) for e in edges)
    by_pair = {(e.front, e.behind): e for e in edges}
    dropped: list[OcclusionEdge] = []
    while not nx.is_directed_acyclic_graph(graph):
        ring = [(a, b) for a, b in nx.find_cycle(graph)]
        weakest = min((by_pair[pair] for pair in ring), key=lambda e: (e.weight, e.front, e.behind))
        if math.isinf(weakest.weight):
            names = " > ".join(segmentation.name(a) for a, _ in ring)
            raise BadInput(f"The given order goes round in a circle: {names} > … Remove one --order.")
        dropped.append(weakest)
        graph.remove_edge(weakest.front, weakest.behind)
    return tuple(e for e in edges if e not in dropped), tuple(sorted(dropped, key=lambda e: e.weight))


def layers_of(ids: tuple[int, ...], edges: tuple[OcclusionEdge, ...]) -> tuple[int, ...]:
    """Layer of each id: 0 where nothing is in front, else one more than the deepest occluder (edges without cycles)."""
    graph = nx.DiGraph()
    graph.add_nodes_from(ids)
    graph.add_edges_from((e.front, e.behind) for e in edges)
    layer: dict[int, int] = {}
    for node in nx.topological_sort(graph):
        layer[node] = 1 + max((layer[p] for p in graph.predecessors(node)), default=-1)
    return tuple(layer[i] for i in ids)


def _parse(text: str, segmentation: Segmentation) -> OcclusionEdge:
    parts = [p.strip() for p in text.split(">")]
    if len(parts) != 2:
        raise BadInput(f'--order "{text}": write it as "cup>saucer" (the first one hides the second).')
    front, behind = (_find(p, segmentation, text) for p in parts)
    if front == behind:
        raise BadInput(f'--order "{text}": an object can not hide itself.')
    return OcclusionEdge(front, behind, math.inf, 0, "user")


def _find(word: str, segmentation: Segmentation, text: str) -> int:
    found = [i for i, n in zip(segmentation.ids, segmentation.names, strict=True) if n.lower() == word.lower() or str(i) == word]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{i} {n}" for i, n in zip(segmentation.ids, segmentation.names, strict=True))
    problem = "is the name of several objects; use the id" if found else "is no object here"
    raise BadInput(f'--order "{text}": "{word}" {problem}. The objects are: {known}.')
