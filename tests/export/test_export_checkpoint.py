"""A checkpoint's folder before anything in it is loaded: what is refused, and why. No torch is needed for it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import ModelError
from sluice.export.checkpoint import KINDS, read_checkpoint

CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "clean", "1": "toxic"},
    "problem_type": "multi_label_classification",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def write(folder: Path, **changes: Any) -> None:
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as raised:
        read_checkpoint(folder)
    assert str(folder) in str(raised.value)
    return str(raised.value)


def test_what_is_known_before_loading(folder: Path) -> None:
    found = read_checkpoint(folder)
    assert (found.kind, found.architecture) == ("bert", KINDS["bert"])
    assert found.labels == ("clean", "toxic") and found.activation == "sigmoid"


@pytest.mark.parametrize(
    ("changes", "labels", "activation"),
    [
        ({"problem_type": "single_label_classification"}, ("clean", "toxic"), "softmax"),
        ({"problem_type": None}, ("clean", "toxic"), None),
        ({"problem_type": None, "id2label": {"0": "toxic"}}, ("toxic",), "sigmoid"),
        ({"id2label": None}, ("LABEL_0", "LABEL_1"), "sigmoid"),
        ({"id2label": None, "num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2"), "sigmoid"),
    ],
)
def test_labels_and_activation(folder: Path, changes: Any, labels: tuple[str, ...], activation: str | None) -> None:
    write(folder, **changes)
    found = read_checkpoint(folder)
    assert (found.labels, found.activation) == (labels, activation)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": None}, "config.json: model_type: None is none of bert, "),
        ({"model_type": ["bert"]}, "model_type"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "mine.Model"}}, "code that comes with a checkpoint"),
        ({"architectures": ["BertForMaskedLM"]}, "architectures: must be ['BertForSequenceClassification']"),
        ({"architectures": None}, "architectures"),
        ({"problem_type": "regression"}, "problem_type: 'regression' is no classification"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label.1"),
        ({"id2label": {"0": "a", "1": "a"}}, "names a label twice"),
        ({"id2label": {"0": "a\n"}}, "id2label.0"),
        ({"id2label": {"0": 7}}, "id2label.0"),
        ({"id2label": []}, "id2label"),
        ({"id2label": None, "num_labels": "many"}, "num_labels"),
    ],
)
def test_a_config_that_will_not_do(folder: Path, changes: dict[str, Any], words: str) -> None:
    write(folder, **changes)
    assert words in refused(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_config_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    assert "config.json: " in refused(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_pickled_weights_are_never_read(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps({"a": 1}))
    told = refused(folder)
    assert name in told and "are a pickle" in told
    assert "are a pickle" in refused(folder / name)


def test_no_weights_no_config_no_folder(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "has no model.safetensors" in refused(folder)
    (folder / "config.json").unlink()
    assert "No such file" in refused(folder)
    assert "nothing is downloaded" in refused(folder / "org" / "name")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"a": "../elsewhere.safetensors"}, "no safetensors file of this folder"),
        ({"a": "one.bin"}, "no safetensors file of this folder"),
        ({"a": "one.safetensors"}, "not there"),
        ({}, "weight_map"),
        (None, "weight_map"),
    ],
)
def test_shards_are_safetensors_of_this_folder(folder: Path, weights: Any, words: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}), encoding="utf-8")
    assert words in refused(folder)
