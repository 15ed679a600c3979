"""Asking a completer: all layers of a photo in one batch where it gains from that, and never one object's failure for all."""

import logging
from collections.abc import Sequence

from paco_core.backends.base import Completer, Completion, CompletionTarget, LayersCompleter
from paco_core.errors import BadInput, MissingDependency, ObjectFailed, error_text

log = logging.getLogger(__name__)

Targets = Sequence[CompletionTarget]
Answers = dict[int, Completion | str]
"""By the object's id; in place of a completion that failed the reason."""


def ask(completer: Completer, layers: Sequence[Targets], seed: int) -> Answers:
    """Completions of all targets: together; when that fails, layer by layer; when a layer fails, one by one.

    Raises ``BadInput`` and ``MissingDependency`` as the completer does: no other target would fare better.
    """
    layers = [layer for layer in layers if layer]
    if len(layers) > 1 and isinstance(completer, LayersCompleter):
        try:
            return _checked(layers, completer.complete_layers(tuple(map(tuple, layers)), seed=seed))
        except (BadInput, MissingDependency):
            raise
        except Exception as error:
            log.warning("%d layers at once: %s; trying them one by one", len(layers), error)
    found: Answers = {}
    for layer in layers:
        found |= _ask_layer(completer, layer, seed)
    return found


def _ask_layer(completer: Completer, targets: Targets, seed: int) -> Answers:
    try:
        return _checked([targets], (completer.complete_layer(tuple(targets), seed=seed),))
    except (BadInput, MissingDependency):
        raise
    except Exception as error:
        if len(targets) == 1:
            log.warning("object %d (%s): %s", targets[0].id, targets[0].name, error)
            return {targets[0].id: f"{completer.name} failed: {error_text(error)}"}
        log.warning("layer of %d objects: %s; trying them one by one", len(targets), error)
    one_by_one: Answers = {}
    for target in targets:
        one_by_one |= _ask_layer(completer, [target], seed)
    return one_by_one


def _checked(layers: Sequence[Targets], answers: Sequence[Sequence[Completion]]) -> Answers:
    """By id. Raises ``ObjectFailed`` where they are not one completion per target, as large as its crop."""
    wanted, given = [len(layer) for layer in layers], [len(layer) for layer in answers]
    if wanted != given:
        raise ObjectFailed(f"{sum(given)} completions came back for {sum(wanted)} objects")
    found: Answers = {}
    for layer, completions in zip(layers, answers, strict=True):
        for target, completion in zip(layer, completions, strict=True):
            if completion.amodal.shape != target.visible.shape or completion.rgb.shape != target.rgb.shape:
                raise ObjectFailed(f"a completion of another size than its crop, for object {target.id}")
            found[target.id] = completion
    return found
