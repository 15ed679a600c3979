"""Backends are found by name, listed without importing and made when they are asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

import paco_core.registry
import scene3d.registry
from paco_core.backends import base
from paco_core.errors import BadInput, MissingDependency
from paco_core.evaluation.features import FeatureExtractor
from paco_core.registry import Entry, Registry

WEIGHTS = Path(paco_core.registry.__file__).parent / "weights"
SHIPPED = {"pcnet": "pcnet.safetensors", "paco": "paco-small.safetensors"}
PROTOCOLS = {
    "segmenter": base.Segmenter,
    "depth": base.DepthEstimator,
    "order": base.OrderPredictor,
    "completer": base.Completer,
    "background": base.BackgroundFiller,
    "inpainter": base.Inpainter,
    "features": FeatureExtractor,
}
ALL = [*paco_core.registry.BACKENDS, *scene3d.registry.BACKENDS]
BROUGHT = ("inception-v3", "lpips-vgg", "sd-inpainting", "lama", "pcnet-c")  # their weights are not in the package
EMBEDDED = [entry for entry in ALL if entry.name not in BROUGHT]

toys = Registry(
    (
        Entry("number", "fraction", "fractions:Fraction", "exact"),
        Entry("number", "huge", "no_such_module_here:Huge", "too big", "MIT", ("no_such_module_here",), "huge-numbers"),
    )
)


def test_a_backend_is_made_with_its_options():
    assert toys.create("number", "fraction", numerator=1, denominator=2) == 0.5


def test_an_unknown_name_is_answered_by_the_nearest_one():
    with pytest.raises(BadInput, match=r"no number backend 'fractoin'\. Did you mean 'fraction'\? Known: fraction, huge\."):
        toys.create("number", "fractoin")


def test_what_is_not_installed_is_named_with_the_line_that_installs_it():
    assert toys.find("number", "huge").missing == ("no_such_module_here",)
    with pytest.raises(MissingDependency, match="needs no_such_module_here: pip install huge-numbers"):
        toys.create("number", "huge")


@pytest.mark.parametrize("entry", EMBEDDED, ids=lambda e: f"{e.kind}-{e.name}")
def test_every_embedded_backend_can_be_made_and_knows_its_name(entry: Entry):
    if entry.name in SHIPPED and not (WEIGHTS / SHIPPED[entry.name]).is_file():
        pytest.skip(f"the package has no weights of {entry.name} yet")
    registry = paco_core.registry.BACKENDS if entry.kind in PROTOCOLS else scene3d.registry.BACKENDS
    backend = registry.create(entry.kind, entry.name)
    assert backend.name == entry.name
    if entry.kind in PROTOCOLS:
        assert isinstance(backend, PROTOCOLS[entry.kind])


def test_names_are_unique_within_a_kind():
    assert len({(e.kind, e.name) for e in ALL}) == len(ALL)


def test_listing_imports_no_array_library():
    code = "import sys, scene3d.registry, paco_core.registry; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
