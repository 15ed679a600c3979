"""What a report shows, free of how it is laid out: the sheet and the page are made from the same ``Report``."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Figure:
    """A picture and what it shows."""

    image: Image.Image
    caption: str


@dataclass(frozen=True)
class ObjectEntry:
    """One object: two pictures and one row of the table, as text."""

    id: int
    name: str
    layer: int
    plain: Image.Image
    marked: Image.Image
    """The same, with what was invented striped and outlined."""
    whole: bool
    """The photo shows all of it: nothing was invented."""
    invented: str
    """Share of the object that the photo does not show."""
    completion: str
    size: str
    """Width × height × depth; metres, or metres by guess."""
    support: str
    lift: str
    fallback: str
    """Why a simpler method was used; empty if none was."""
    iou: str
    confidence: str
    kept_steps: str
    """Refinements of the pose that were kept."""
    carrier: int | None = None
    """Id of the object that it stands on."""


@dataclass(frozen=True)
class StageEntry:
    """One line of the table of stages."""

    stage: str
    method: str
    seconds: float


@dataclass(frozen=True)
class Report:
    """One run."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """(what, value), in the order of importance."""
    views: tuple[Figure, ...]
    figures: tuple[Figure, ...]
    graph: Figure
    objects: tuple[ObjectEntry, ...]
    metric: bool
    stages: tuple[StageEntry, ...]
    fallbacks: tuple[str, ...]

    @property
    def size_heading(self) -> str:
        """Of the column of sizes: says when they are a guess."""
        return "w × h × d, m" if self.metric else "w × h × d, m (scale guessed)"
