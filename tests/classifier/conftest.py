"""The shipped model, small models that the tests make, and copies that a test may spoil."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.classifier import load_manifest, load_model
from sluice.classifier.ngrams import NgramModel
from support.models import write_cascade, write_encoder

SHIPPED = Path(__file__).parents[2] / "models" / "default"

Spoil = Callable[[Path, Callable[[dict[str, Any]], object]], Path]


@pytest.fixture(scope="session")
def ngram_dir() -> Path:
    """The directory of the shipped model of n-grams: the default model, or its cheap member."""
    return SHIPPED / "cheap" if (SHIPPED / "cheap").is_dir() else SHIPPED


@pytest.fixture(scope="session")
def ngrams(ngram_dir: Path) -> NgramModel:
    """The shipped model of n-grams."""
    model = load_model(ngram_dir)
    assert isinstance(model, NgramModel)
    return model


@pytest.fixture(scope="session")
def encoder_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small encoder of two heads."""
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def cascade_dir(tmp_path_factory: pytest.TempPathFactory, ngram_dir: Path) -> Path:
    """The directory of a cascade: the shipped n-grams, and a small encoder with their heads."""
    heads = load_manifest(ngram_dir).heads
    return write_cascade(tmp_path_factory.mktemp("cascade"), ngram_dir, heads)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Copy a model directory, to change it."""

    def copy(directory: Path) -> Path:
        return Path(shutil.copytree(directory, tmp_path / "copy"))

    return copy


@pytest.fixture
def spoil(copy_of: Callable[[Path], Path]) -> Spoil:
    """Change the manifest of a copy, by a function on its JSON; gives the copy's directory."""

    def change(directory: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
        copy = copy_of(directory)
        path = copy / "manifest.json"
        content = json.loads(path.read_bytes())
        edit(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        return copy

    return change
