"""What a step changed, for views that show the scene: they redraw that and nothing else."""

from dataclasses import dataclass

from viewers.state import EditState, Thing


@dataclass(frozen=True)
class Changes:
    """From one state to the next."""

    gone: tuple[int, ...]
    """Ids."""
    new: tuple[Thing, ...]
    """Also those whose mesh is another one now: flipped, or of another source."""
    changed: tuple[Thing, ...]
    """In anything else."""


def changes(before: EditState, after: EditState) -> Changes:
    """What is to be done to show ``after`` where ``before`` is shown."""
    old, here = {thing.id: thing for thing in before.things}, {thing.id: thing for thing in after.things}
    remade = {i for i, thing in here.items() if i in old and (thing.source, thing.flipped) != (old[i].source, old[i].flipped)}
    return Changes(
        gone=tuple(i for i in old if i not in here or i in remade),
        new=tuple(thing for i, thing in here.items() if i not in old or i in remade),
        changed=tuple(thing for i, thing in here.items() if i in old and i not in remade and thing != old[i]),
    )
