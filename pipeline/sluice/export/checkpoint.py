"""A checkpoint's folder, looked at before anything in it is loaded.

A checkpoint is written by others. Weights are read from safetensors only, because a pickle runs what its writer wanted;
code that comes with it is never run; nothing is fetched. What a kind of model needs is known to work only where a test
exports one, so other kinds are refused by name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sluice.errors import ModelError

__all__ = ["CONFIG_FILE", "KINDS", "Activation", "Checkpoint", "read_checkpoint"]

CONFIG_FILE = "config.json"
INDEX_FILE = "model.safetensors.index.json"

KINDS: dict[str, str] = {
    "bert": "BertForSequenceClassification",
    "deberta": "DebertaForSequenceClassification",
    "deberta-v2": "DebertaV2ForSequenceClassification",
    "distilbert": "DistilBertForSequenceClassification",
    "electra": "ElectraForSequenceClassification",
    "modernbert": "ModernBertForSequenceClassification",
    "qwen2": "Qwen2ForSequenceClassification",
    "qwen3": "Qwen3ForSequenceClassification",
    "roberta": "RobertaForSequenceClassification",
    "xlm-roberta": "XLMRobertaForSequenceClassification",
}
"""By `model_type` of config.json, the architecture that is exported. MiniLM is a `bert` or `xlm-roberta`, MacBERT and
RoBERTa-wwm are `bert`."""

Activation = Literal["sigmoid", "softmax"]

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_JSON_BYTES = 16 << 20
"""A config is some kilobytes; the index of a large checkpoint's shards, up to a few megabytes."""
_MAX_LABELS = 1_024
_MAX_LABEL = 200


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is known of a checkpoint before it is loaded."""

    directory: Path
    kind: str
    architecture: str
    labels: tuple[str, ...]
    """One a logit."""
    activation: Activation | None
    """What its training says; None where it does not."""


def read_checkpoint(directory: Path) -> Checkpoint:
    """Look at a checkpoint's folder.

    Raises:
        ModelError: it is not one that can be exported; names the file and the field.
    """
    if directory.is_file() and directory.suffix in _PICKLES:
        raise _pickle(directory)
    if not directory.is_dir():
        more = "" if directory.exists() else ", and nothing is downloaded: name a local folder"
        raise ModelError(f"{directory}: is no folder{more}")
    path = directory / CONFIG_FILE
    config = _read_json(path)
    kind = config.get("model_type")
    architecture = KINDS.get(kind) if isinstance(kind, str) else None
    if architecture is None:
        code = "; code that comes with a checkpoint (auto_map) is never run" if "auto_map" in config else ""
        raise ModelError(f"{path}: model_type: {kind!a:.60} is none of {', '.join(KINDS)}{code}")
    named = config.get("architectures")
    if named != [architecture]:
        raise ModelError(
            f"{path}: architectures: must be [{architecture!r}], a model that classifies, not {named!a:.90}"
        )
    _check_weights(directory)
    labels = _labels(path, config)
    return Checkpoint(directory, str(kind), architecture, labels, _activation(path, config, len(labels)))


def _check_weights(directory: Path) -> None:
    index = directory / INDEX_FILE
    if index.exists():
        shards = _read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ModelError(f"{index}: weight_map: must name the file of each weight")
        for name in {str(name) for name in shards.values()}:
            if "/" in name or "\\" in name or not name.endswith(".safetensors"):
                raise ModelError(f"{index}: weight_map: {name!a:.90} is no safetensors file of this folder")
            if not (directory / name).is_file():
                raise ModelError(f"{directory / name}: named by {INDEX_FILE}, and not there")
        return
    if (directory / "model.safetensors").is_file():
        return
    pickles = sorted(file.name for file in directory.iterdir() if file.suffix in _PICKLES)
    if pickles:
        raise _pickle(directory / pickles[0])
    raise ModelError(f"{directory}: has no model.safetensors")


def _pickle(path: Path) -> ModelError:
    return ModelError(
        f"{path}: weights in this form are a pickle, which can run any code when it is opened, and are never read; "
        "have the model's owner save it as model.safetensors"
    )


def _labels(path: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """The names of the logits, as transformers reads them: without `id2label` there are LABEL_0, LABEL_1 and so on."""
    given = config.get("id2label")
    if given is None:
        count = config.get("num_labels", 2)
        if not isinstance(count, int) or not 1 <= count <= _MAX_LABELS:
            raise ModelError(f"{path}: num_labels: must be a number from 1 to {_MAX_LABELS}")
        return tuple(f"LABEL_{number}" for number in range(count))
    if not isinstance(given, dict) or not 1 <= len(given) <= _MAX_LABELS:
        raise ModelError(f"{path}: id2label: must name 1 to {_MAX_LABELS} labels")
    labels: list[str] = []
    for number in range(len(given)):
        label = given.get(f"{number}")
        if not isinstance(label, str) or not 0 < len(label) <= _MAX_LABEL or not label.isprintable():
            raise ModelError(
                f"{path}: id2label.{number}: must be 1 to {_MAX_LABEL} printable characters, not {label!a:.60}"
            )
        labels.append(label)
    if len(set(labels)) < len(labels):
        raise ModelError(f"{path}: id2label: names a label twice")
    return tuple(labels)


def _activation(path: Path, config: dict[str, Any], labels: int) -> Activation | None:
    problem = config.get("problem_type")
    if problem not in (None, "single_label_classification", "multi_label_classification"):
        raise ModelError(f"{path}: problem_type: {problem!a:.60} is no classification")
    if labels == 1:
        return "sigmoid"  # the softmax of one number says nothing
    return {None: None, "single_label_classification": "softmax", "multi_label_classification": "sigmoid"}[problem]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_JSON_BYTES + 1)
        if len(content) > _JSON_BYTES:
            raise ModelError(f"{path}: is larger than {_JSON_BYTES} bytes")
        value = json.loads(content)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: must be a JSON object")
    return value
