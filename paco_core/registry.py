"""Names to ``package.module:Class`` strings, so that listing what there is costs nothing and importing happens late."""

import difflib
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paco_core.errors import BadInput, MissingDependency

NO_WEIGHTS = "none: no weights"


@dataclass(frozen=True)
class Entry:
    """One method that can be chosen by name."""

    kind: str
    """Which Protocol it implements: ``segmenter``, ``depth``, ``order``, ``completer``, ``features``, ``lifter`` …"""
    name: str
    target: str
    """``package.module:Class``; made with keyword options, imported by ``create`` alone."""
    summary: str
    weights_licence: str = NO_WEIGHTS
    imports: tuple[str, ...] = ()
    """Top-level modules beyond the project's own dependencies."""
    pip: str = ""
    """What ``pip install`` needs to be given for those."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of ``imports`` that are not installed; found without importing any."""
        return tuple(name for name in self.imports if importlib.util.find_spec(name) is None)


@dataclass(frozen=True)
class Registry:
    """The entries of one package, in the order in which they are listed; the first of a kind is its default."""

    entries: tuple[Entry, ...]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def names(self, kind: str) -> tuple[str, ...]:
        """All names of one kind."""
        return tuple(entry.name for entry in self.entries if entry.kind == kind)

    def find(self, kind: str, name: str) -> Entry:
        """The entry of that kind and name. Raises ``BadInput`` with a suggestion."""
        for entry in self.entries:
            if (entry.kind, entry.name) == (kind, name):
                return entry
        known = ", ".join(self.names(kind)) or "none"
        raise BadInput(f"There is no {kind} backend {name!r}.{did_you_mean(name, self.names(kind))} Known: {known}.")

    def create(self, kind: str, name: str, **options: Any) -> Any:
        """Import and make it. Raises ``BadInput`` for an unknown name, ``MissingDependency`` naming what to install."""
        entry = self.find(kind, name)
        if entry.missing:
            raise MissingDependency(f"{kind} {name!r} needs {', '.join(entry.missing)}: pip install {entry.pip}")
        module, _, cls = entry.target.partition(":")
        return getattr(importlib.import_module(module), cls)(**options)


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """A question with the nearest known name, or nothing when none is near."""
    nearest = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


BACKENDS = Registry(
    (
        Entry(
            "segmenter",
            "colour",
            "paco_core.backends.colour:ColourSegmenter",
            "GrabCut from boxes and points, or from what stands out",
        ),
        Entry(
            "depth",
            "geometric",
            "paco_core.backends.geometric:GeometricDepth",
            "level floor, camera pitch and floor contacts (relative depth)",
        ),
        Entry(
            "order",
            "boundary",
            "paco_core.backends.boundary:BoundaryOrder",
            "depth and shape along the boundary that two objects share",
        ),
        Entry(
            "completer",
            "pcnet",
            "paco_core.backends.pcnet:PcnetCompleter",
            "small network for the shapes, mirror counterparts and exemplars for the colours",
            weights_licence="Apache-2.0, see paco_core/weights/pcnet.md",
        ),
        Entry(
            "completer",
            "classical",
            "paco_core.backends.classical:ClassicalCompleter",
            "hull and symmetry inside the occluders, filled by exemplars",
        ),
        Entry(
            "completer",
            "paco",
            "paco_core.backends.paco:PacoCompleter",
            "PACO: all objects of a layer in one denoising, masks and colours",
            weights_licence="Apache-2.0, see paco_core/weights/paco-small.md",
            imports=("torch", "diffusers"),
            pip="'paco-scene3d[train]'",
        ),
        Entry(
            "background",
            "exemplar",
            "paco_core.backends.exemplar:ExemplarBackground",
            "patches of the photo itself, coarse to fine",
        ),
        Entry(
            "inpainter",
            "telea",
            "paco_core.backends.classic_inpainters:TeleaInpainter",
            "OpenCV's inpainting after Telea, for paco eval",
        ),
        Entry(
            "inpainter",
            "exemplar",
            "paco_core.backends.classic_inpainters:ExemplarInpainter",
            "patches of all that is to be seen, for paco eval",
        ),
        Entry(
            "inpainter",
            "pcnet-colours",
            "paco_core.backends.pcnet_colours:PcnetColours",
            "colours that pcnet predicts, nothing else, for paco eval",
            weights_licence="Apache-2.0, see paco_core/weights/pcnet.md",
        ),
        Entry(
            "inpainter",
            "sd-inpainting",
            "paco_core.backends.sd_inpainting:SdInpainting",
            "Stable Diffusion's inpainting, for paco eval",
            weights_licence="CreativeML Open RAIL-M (not in the package)",
            imports=("torch", "diffusers", "transformers"),
            pip="'paco-scene3d[sd]'",
        ),
        Entry(
            "inpainter",
            "lama",
            "paco_core.backends.lama:Lama",
            "LaMa, for paco eval",
            weights_licence="Apache-2.0 (not in the package)",
            imports=("torch",),
            pip="'paco-scene3d[networks]'",
        ),
        Entry(
            "inpainter",
            "pcnet-c",
            "paco_core.backends.pcnet_c:PcnetC",
            "SSSD's network for the content of hidden parts, for paco eval",
            weights_licence="Apache-2.0 (not in the package)",
            imports=("torch",),
            pip="'paco-scene3d[networks]'",
        ),
        Entry(
            "features",
            "paco-feat-1",
            "paco_core.backends.paco_feat:PacoFeat1",
            "small network for the perceptual distance and KID of paco eval",
            weights_licence="Apache-2.0, see paco_core/weights/paco-feat-1.md",
            imports=("torch",),
            pip="'paco-scene3d[networks]'",
        ),
        Entry(
            "features",
            "inception-v3",
            "paco_core.backends.hub_features:InceptionV3",
            "torchvision's Inception v3, for KID and FID",
            weights_licence="BSD-3-Clause (torchvision; trained on ImageNet)",
            imports=("torch", "torchvision"),
            pip="torch torchvision",
        ),
        Entry(
            "features",
            "lpips-vgg",
            "paco_core.backends.hub_features:LpipsVgg",
            "the lpips package with VGG-16, for LPIPS",
            weights_licence="BSD-2-Clause (lpips), BSD-3-Clause (torchvision; trained on ImageNet)",
            imports=("torch", "torchvision", "lpips"),
            pip="torch torchvision lpips",
        ),
    )
)
