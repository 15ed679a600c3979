"""Shape checking is on for every test: jaxtyping annotations are enforced by beartype (see tests/test_types.py, the canary)."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401  (the hook looks it up by attribute)
from tests.browsers import browser  # noqa: F401  (a fixture of every test)
from tests.screens import screen  # noqa: F401

install_import_hook(["paco_core", "scene3d"], "tests.typecheck.checked")


@pytest.fixture(scope="session")
def paco_data() -> Path:
    """The optional data folder; tests that need it are skipped where it is not there."""
    folder = os.environ.get("PACO_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the optional data folder: set PACO_DATA to it")
    return Path(folder)
