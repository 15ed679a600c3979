"""Who hides whom, without cycles, and the depth layers that follow (PACO section 4.3)."""

import logging
import math
from collections.abc import Sequence
from itertools import pairwise

import networkx as nx

from paco_core.backends.base import OrderPredictor
from paco_core.errors import BadInput
from paco_core.registry import did_you_mean
from paco_core.types import DepthMap, OcclusionEdge, OcclusionGraph, Photo, Segmentation

log = logging.getLogger(__name__)

MAX_LISTED = 30
"""Objects that a sentence lists."""


def find_occlusions(
    photo: Photo,
    segmentation: Segmentation,
    depth: DepthMap,
    predictor: OrderPredictor,
    *,
    overrides: tuple[str, ...] = (),
) -> OcclusionGraph:
    """Occlusion graph of touching objects; cycles lose their weakest edge, which is reported in ``dropped``.

    ``overrides`` are the user's words, ``"cup>saucer"`` (cup hides saucer; see ``parse_order``). They win over every cue.
    Raises ``BadInput`` for words that name nothing here, and for words that contradict each other.
    """
    forced = tuple(OcclusionEdge(a, b, math.inf, 0, "user") for a, b in parse_order(overrides, segmentation))
    decided = {frozenset((e.front, e.behind)) for e in forced}
    predicted = predictor.order(photo, segmentation, depth)
    edges = forced + tuple(e for e in predicted if frozenset((e.front, e.behind)) not in decided)
    kept, dropped = break_cycles(edges)
    for edge in dropped:
        log.warning("cycle: dropped %d > %d (weight %.2f, by %s)", edge.front, edge.behind, edge.weight, edge.reason)
    return OcclusionGraph(segmentation.ids, kept, dropped, layers_of(segmentation.ids, kept))


def break_cycles(edges: tuple[OcclusionEdge, ...]) -> tuple[tuple[OcclusionEdge, ...], tuple[OcclusionEdge, ...]]:
    """Remove the lightest edge of a cycle until there is none. Returns (kept, dropped), both in a stable order."""
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((e.front, e.behind, e.weight) for e in edges)
    by_pair = {(e.front, e.behind): e for e in edges}
    dropped: list[OcclusionEdge] = []
    while not nx.is_directed_acyclic_graph(graph):
        ring = [(a, b) for a, b in nx.find_cycle(graph)]
        weakest = min((by_pair[pair] for pair in ring), key=lambda e: (e.weight, e.front, e.behind))
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


def parse_order(words: Sequence[str], segmentation: Segmentation) -> tuple[tuple[int, int], ...]:
    """(front, behind) ids of the user's words, each pair once: ``"cup>saucer"``, or chains, ``"cup>saucer>3"``.

    Objects are called by their names (in any case) or ids. Raises ``BadInput`` for words that name no object or several, and
    for words that contradict each other.
    """
    pairs: dict[tuple[int, int], str] = {}
    for text in words:
        chain = [_find(part.strip(), segmentation, text) for part in _split(text)]
        for front, behind in pairwise(chain):
            if front == behind:
                raise BadInput(f'--order "{text}": an object can not hide itself.')
            pairs.setdefault((front, behind), text)
    graph = nx.DiGraph(list(pairs))
    if not nx.is_directed_acyclic_graph(graph):
        ring = nx.find_cycle(graph)
        names = " > ".join(_called(edge[0], segmentation) for edge in ring)
        said = ", ".join(f'"{text}"' for text in dict.fromkeys(pairs[edge[0], edge[1]] for edge in ring))
        raise BadInput(f"The given order goes round in a circle: {names} > … Remove or turn one of --order {said}.")
    return tuple(pairs)


def _split(text: str) -> list[str]:
    parts = text.split(">")
    if len(parts) < 2 or not all(part.strip() for part in parts):
        raise BadInput(f'--order "{text}": write it as "cup>saucer" (the first one hides the second), or as "cup>saucer>table".')
    return parts


def _find(word: str, segmentation: Segmentation, text: str) -> int:
    named = dict(zip(segmentation.ids, segmentation.names, strict=True))
    exact = [i for i, name in named.items() if name == word or str(i) == word]
    found = exact or [i for i, name in named.items() if name.casefold() == word.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(f"{i} ({named[i]})" for i in found)
        raise BadInput(f'--order "{text}": "{word}" may be any of {len(found)} objects: {ids}. Use the id.')
    known = ", ".join(f"{i} {name}" for i, name in list(named.items())[:MAX_LISTED])
    more = f" and {len(named) - MAX_LISTED} more" if len(named) > MAX_LISTED else ""
    hint = did_you_mean(word, tuple(named.values()))
    raise BadInput(f'--order "{text}": "{word}" is no object here.{hint} The objects are: {known}{more}.')


def _called(object_id: int, segmentation: Segmentation) -> str:
    """Its name, with the id where others have the same one."""
    name = segmentation.name(object_id)
    return name if segmentation.names.count(name) == 1 else f"{object_id} ({name})"
