"""A model that does not match its manifest is refused, with the file and the reason."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from sluice.classifier import Classifier, load_manifest
from sluice.errors import ModelError

Json = dict[str, Any]
Spoil = Callable[[Callable[[Json], object]], Path]


def refuse(directory: Path, *words: str) -> None:
    with pytest.raises(ModelError) as raised:
        Classifier.load(directory)
    for word in (str(directory), *words):
        assert word in str(raised.value)


def swap(content: Json) -> None:
    content["heads"][0], content["heads"][1] = content["heads"][1], content["heads"][0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.pop("features"), ["manifest.json", "`features`"]),
        (lambda m: m["features"].pop("fold"), ["manifest.json", "`fold`", "$.features"]),
        (lambda m: m["heads"][2].pop("risk"), ["manifest.json", "`risk`", "$.heads[2]"]),
        (lambda m: m.update(colour="red"), ["manifest.json", "unknown field `colour`"]),
        (lambda m: m["heads"][1].update(colour="red"), ["manifest.json", "`colour`", "$.heads[1]"]),
        (lambda m: m.update(format=2), ["manifest.json", "$.format"]),
        (lambda m: m.update(opset="17"), ["manifest.json", "$.opset"]),
        (lambda m: m.update(heads=[]), ["manifest.json", "$.heads"]),
        (lambda m: m["heads"][0].update(risk="S1"), ["manifest.json", "$.heads[0].risk"]),
        (lambda m: m["heads"][0].update(name="Violence!"), ["manifest.json", "$.heads[0].name"]),
        (lambda m: m["heads"][1].update(name=m["heads"][0]["name"]), ["heads: named more than once"]),
        (lambda m: m["sha256"].update(model="abc"), ["manifest.json", "$.sha256.model"]),
        (lambda m: m["thresholds"].update(stop=1.5), ["manifest.json", "$.thresholds.stop"]),
        (lambda m: m["features"].update(fold="fold-0"), ["features.fold", "'fold-0'"]),
        (lambda m: m["features"].update(hash="md5"), ["features.hash", "'md5'"]),
        (lambda m: m["features"].update(kind="words"), ["$.features.kind"]),
        (lambda m: m["features"].update(low=3, high=2), ["features.low"]),
        (lambda m: m["features"].update(high=99), ["$.features.high"]),
        (lambda m: m["features"].update(slots=1000), ["features.slots", "power of two"]),
        (lambda m: m["features"].update(slots=1 << 10), ["vocabulary.npy", "1024 uint32"]),
        (lambda m: m["features"].update(high=3), ["model.onnx", "made for features"]),
        (lambda m: m.update(opset=18), ["model.onnx", "made for opset '17'"]),
        (lambda m: m["heads"].pop(), ["model.onnx", "made for heads"]),
        (swap, ["model.onnx", "made for heads"]),
        (lambda m: m["sha256"].update(model="0" * 64), ["model.onnx", "SHA-256", "0" * 64]),
        (lambda m: m["sha256"].update(vocabulary="0" * 64), ["vocabulary.npy", "SHA-256"]),
    ],
)
def test_a_wrong_manifest_is_refused(spoil: Spoil, edit: Callable[[Json], object], words: list[str]) -> None:
    refuse(spoil(edit), *words)


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "vocabulary.npy"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    refuse(copy, name, "No such file")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_manifest_that_is_no_manifest(copy: Path, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)
    refuse(copy, "manifest.json")


@pytest.mark.parametrize("name", ["model.onnx", "vocabulary.npy"])
def test_a_changed_byte_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    refuse(copy, name, "SHA-256")


def pin(spoil: Spoil, field: str, content: bytes) -> Path:
    """A copy whose manifest pins other content as its model or vocabulary."""
    directory = spoil(lambda m: m["sha256"].update({field: hashlib.sha256(content).hexdigest()}))
    (directory / {"model": "model.onnx", "vocabulary": "vocabulary.npy"}[field]).write_bytes(content)
    return directory


def test_a_file_that_is_no_model(spoil: Spoil) -> None:
    refuse(pin(spoil, "model", b"not a model"), "model.onnx", "ONNX Runtime")


def test_a_pickle_is_never_opened(spoil: Spoil) -> None:
    refuse(pin(spoil, "vocabulary", pickle.dumps({"a": 1})), "vocabulary.npy", "not a NumPy array")
    boxed = io.BytesIO()
    np.save(boxed, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refuse(pin(spoil, "vocabulary", boxed.getvalue()), "vocabulary.npy", "not a NumPy array")


def test_a_vocabulary_of_another_type(spoil: Spoil) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros(1 << 18, dtype=np.int64))
    refuse(pin(spoil, "vocabulary", array.getvalue()), "vocabulary.npy", "uint32")


def test_a_model_with_other_outputs_than_heads(spoil: Spoil, shipped: Path) -> None:
    """Its metadata say what the manifest says, its output is one number a text."""
    proto = onnx.load(shipped / "model.onnx")
    del proto.graph.node[:], proto.graph.initializer[:]
    axis = onnx.helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])
    proto.graph.initializer.append(axis)
    proto.graph.node.append(onnx.helper.make_node("Cast", ["ids"], ["floats"], to=onnx.TensorProto.FLOAT))
    proto.graph.node.append(onnx.helper.make_node("ReduceSum", ["floats", "axis"], ["scores"]))
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    refuse(pin(spoil, "model", proto.SerializeToString()), "model.onnx", "one output", "[1]")


def test_a_model_with_other_inputs(spoil: Spoil, shipped: Path) -> None:
    proto = onnx.load(shipped / "model.onnx")
    proto.graph.input[0].name = proto.graph.node[0].input[1] = "tokens"
    refuse(pin(spoil, "model", proto.SerializeToString()), "model.onnx", "one input")


def test_the_shipped_manifest_maps_every_head(shipped: Path) -> None:
    manifest = load_manifest(shipped)
    for head in manifest.heads:
        assert re.fullmatch(r"A\.[1-5]\.[a-i]", head.risk)
        assert bool(head.attribute) is head.risk.startswith("A.2.")
        assert manifest.training.harmful[head.name] >= 100
    assert 0.5 < manifest.thresholds.flag < manifest.thresholds.stop < 1
