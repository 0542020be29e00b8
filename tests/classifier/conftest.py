"""The shipped model, and copies of it that a test may spoil."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.classifier import Classifier

SHIPPED = Path(__file__).parents[2] / "models" / "default"

Spoil = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The directory of the default model."""
    return SHIPPED


@pytest.fixture(scope="session")
def model() -> Classifier:
    """The default model."""
    return Classifier.load(SHIPPED)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model directory with the default model's files, to change."""
    for name in ("manifest.json", "model.onnx", "vocabulary.npy"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    return tmp_path


@pytest.fixture
def spoil(copy: Path) -> Spoil:
    """Change the manifest of a copy, by a function on its JSON; gives the copy's directory."""

    def change(edit: Callable[[dict[str, Any]], object]) -> Path:
        path = copy / "manifest.json"
        content = json.loads(path.read_bytes())
        edit(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        return copy

    return change
