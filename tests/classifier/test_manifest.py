"""A model that does not match its manifest is refused, with the file and the reason."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from sluice.classifier import files, load_manifest, load_model
from sluice.errors import ModelError
from support.models import encoder_graph, rewrite, write_encoder

Json = dict[str, Any]
Edit = Callable[[Json], object]
Spoil = Callable[[Path, Edit], Path]
Copy = Callable[[Path], Path]


def refuse(directory: Path, *words: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_model(directory)
    for word in (str(directory), *words):
        assert word in str(raised.value)


def swap(content: Json) -> None:
    content["heads"][0], content["heads"][1] = content["heads"][1], content["heads"][0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.pop("kind"), ["manifest.json", "`kind`"]),
        (lambda m: m.update(kind="words"), ["manifest.json", "words", "$.kind"]),
        (lambda m: m.pop("features"), ["manifest.json", "`features`"]),
        (lambda m: m["features"].pop("fold"), ["manifest.json", "`fold`", "$.features"]),
        (lambda m: m["heads"][2].pop("risk"), ["manifest.json", "`risk`", "$.heads[2]"]),
        (lambda m: m.update(colour="red"), ["manifest.json", "unknown field `colour`"]),
        (lambda m: m["heads"][1].update(colour="red"), ["manifest.json", "`colour`", "$.heads[1]"]),
        (lambda m: m.update(format=2), ["manifest.json", "$.format"]),
        (lambda m: m.update(opset="17"), ["manifest.json", "$.opset"]),
        (lambda m: m.update(heads=[]), ["manifest.json", "$.heads"]),
        (lambda m: m["heads"][0].update(risk="S1"), ["manifest.json", "heads[0].risk", "'S1'", "A.1.a to A.5.b"]),
        (lambda m: m["heads"][3].update(risk="A.5.z"), ["heads[3].risk", "unknown risk id 'A.5.z'"]),
        (lambda m: m["heads"][3].update(risk="A.1.a\n"), ["heads[3].risk", "unknown risk id"]),
        (lambda m: m["heads"][0].update(name="violence\n"), ["manifest.json", "$.heads[0].name"]),
        (lambda m: m.update(name="words\n"), ["manifest.json", "$.name"]),
        (lambda m: m.update(created=m["created"] + "\n"), ["manifest.json", "$.created"]),
        (lambda m: m["sha256"].update({"model.onnx": "0" * 64 + "\n"}), ["manifest.json", "$.sha256"]),
        (lambda m: m["sha256"].update({"model.onnx\n": "0" * 64}), ["manifest.json", "$.sha256"]),
        (
            lambda m: m["heads"][0].update(name="any"),
            ["manifest.json", "heads[0].name: any is a word of `sluice eval`"],
        ),
        (lambda m: m["heads"][0].update(name="Violence!"), ["manifest.json", "$.heads[0].name"]),
        (lambda m: m["heads"][1].update(name=m["heads"][0]["name"]), ["heads: named more than once"]),
        (lambda m: m["sha256"].update({"model.onnx": "abc"}), ["manifest.json", "$.sha256"]),
        (lambda m: m["sha256"].update({"../model.onnx": "0" * 64}), ["manifest.json", "$.sha256"]),
        (lambda m: m["sha256"].update({"other.bin": "0" * 64}), ["sha256", "no file other.bin"]),
        (lambda m: m["sha256"].pop("vocabulary.npy"), ["sha256: does not name vocabulary.npy"]),
        (lambda m: m["thresholds"].update(stop=1.5), ["manifest.json", "$.thresholds.stop"]),
        (lambda m: m["thresholds"].update(stop=0.1), ["thresholds.flag"]),
        (lambda m: m["calibration"]["slope"].update(colour=1.0), ["calibration.slope: no such head: colour"]),
        (lambda m: m["features"].update(fold="fold-0"), ["features.fold", "'fold-0'"]),
        (lambda m: m["features"].update(hash="md5"), ["features.hash", "'md5'"]),
        (lambda m: m["features"].update(low=3, high=2), ["features.low"]),
        (lambda m: m["features"].update(high=99), ["$.features.high"]),
        (lambda m: m["features"].update(slots=1000), ["features.slots", "power of two"]),
        (lambda m: m["features"].update(slots=1 << 10), ["vocabulary.npy", "larger than"]),
        (lambda m: m["features"].update(slots=1 << 19), ["vocabulary.npy", "524288 uint32"]),
        (lambda m: m["features"].update(high=3), ["model.onnx", "made for features"]),
        (lambda m: m.update(opset=18), ["model.onnx", "is of opset 17, opset of manifest.json says 18"]),
        (swap, ["model.onnx", "made for heads"]),
        (lambda m: m["sha256"].update({"model.onnx": "0" * 64}), ["model.onnx", "SHA-256", "0" * 64]),
        (lambda m: m["sha256"].update({"vocabulary.npy": "0" * 64}), ["vocabulary.npy", "SHA-256"]),
    ],
)
def test_a_wrong_manifest_of_ngrams_is_refused(spoil: Spoil, ngram_dir: Path, edit: Edit, words: list[str]) -> None:
    refuse(spoil(ngram_dir, edit), *words)


def without_last_head(content: Json) -> None:
    gone = content["heads"].pop()["name"]
    for numbers in ("slope", "offset"):
        content["calibration"][numbers].pop(gone)


def test_a_manifest_with_a_head_less(spoil: Spoil, ngram_dir: Path) -> None:
    refuse(spoil(ngram_dir, without_last_head), "model.onnx", "made for heads")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.update(outputs=["bad", "worse"]), ["outputs: no such head: worse"]),
        (lambda m: m.update(outputs=["bad", None]), ["outputs: no logit for the head biased"]),
        (lambda m: m["outputs"].append(None), ["model.onnx", "2 logits", "names 3"]),
        (lambda m: m.update(activation="relu"), ["$.activation"]),
        (lambda m: m.update(activation="softmax", calibration=PLATT), ["calibration", "one temperature"]),
        (lambda m: m.update(fold="fold-0"), ["fold: trained with 'fold-0'"]),
        (lambda m: m["tokens"].update(max_tokens=4), ["$.tokens.max_tokens"]),
        (lambda m: m["tokens"].update(max_tokens=64), ["model.onnx", "64 tokens", "tokens.max_tokens"]),
        (lambda m: m["tokens"].update(pad=999), ["manifest.json", "tokens.pad", "no token with the id 999"]),
        (lambda m: m["tokens"].update(pad=1 << 40), ["manifest.json", "$.tokens.pad"]),
        (lambda m: m.update(opset=99), ["model.onnx", "is of opset 17, opset of manifest.json says 99"]),
        (lambda m: m["heads"][1].update(risk="A.2.j"), ["heads[1].risk", "unknown risk id 'A.2.j'"]),
        (lambda m: m["calibration"].update(slope={"bad": 1e39}), ["manifest.json", "$.calibration.slope"]),
        (lambda m: m["calibration"].update(slope={"bad": 0}), ["$.calibration.slope"]),
        (lambda m: m["calibration"].update(slope={"bad": -1}), ["$.calibration.slope"]),
        (lambda m: m["calibration"].update(offset={"bad": -1e39}), ["$.calibration.offset"]),
        (lambda m: m["tokens"].update(inputs=["input_ids", "words"]), ["$.tokens.inputs"]),
        (lambda m: m["tokens"].update(inputs=["attention_mask"]), ["tokens.inputs", "input_ids"]),
        (
            lambda m: m["tokens"].update(inputs=["input_ids", "attention_mask"]),
            ["model.onnx", "inputs", "tokens.inputs"],
        ),
        (lambda m: m["sha256"].pop("tokenizer.json"), ["sha256: does not name tokenizer.json"]),
        (lambda m: m["sha256"].update({"model.onnx.data": "0" * 64}), ["model.onnx.data", "No such file"]),
    ],
)
def test_a_wrong_manifest_of_an_encoder_is_refused(
    spoil: Spoil, encoder_dir: Path, edit: Edit, words: list[str]
) -> None:
    refuse(spoil(encoder_dir, edit), *words)


PLATT = {"method": "platt", "mix": "a mix", "slope": {"bad": 2.0}, "offset": {}}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m["doubt"].pop("abuse"), ["doubt: must name every head", "abuse"]),
        (lambda m: m["doubt"].update(colour=0.1), ["doubt", "colour"]),
        (lambda m: m["doubt"].update(abuse=0.71), ["doubt.abuse", "thresholds.flag"]),
        (lambda m: m["doubt"].update(abuse=2), ["$.doubt"]),
        (lambda m: m.update(strong="cheap"), ["strong"]),
        (lambda m: m.update(cheap="../cheap"), ["$.cheap"]),
        (lambda m: m["sha256"].update({"strong/manifest.json": "0" * 64}), ["strong/manifest.json", "SHA-256"]),
        (lambda m: m["sha256"].pop("cheap/manifest.json"), ["sha256: does not name cheap/manifest.json"]),
        (swap, ["cheap/manifest.json", "heads: must be those of the cascade"]),
        (lambda m: m.update(cheap=m["strong"], strong=m["cheap"]), ["cheap: strong is no model of character_ngrams"]),
    ],
)
def test_a_wrong_manifest_of_a_cascade_is_refused(
    spoil: Spoil, cascade_dir: Path, edit: Edit, words: list[str]
) -> None:
    refuse(spoil(cascade_dir, edit), *words)


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "vocabulary.npy"])
def test_a_missing_file_is_named(copy_of: Copy, ngram_dir: Path, name: str) -> None:
    copy = copy_of(ngram_dir)
    (copy / name).unlink()
    refuse(copy, name, "No such file")


@pytest.mark.parametrize("name", ["cheap/manifest.json", "cheap/model.onnx", "strong/tokenizer.json"])
def test_a_missing_file_of_a_member_is_named(copy_of: Copy, cascade_dir: Path, name: str) -> None:
    copy = copy_of(cascade_dir)
    (copy / name).unlink()
    refuse(copy, name, "No such file")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_manifest_that_is_no_manifest(copy_of: Copy, ngram_dir: Path, content: bytes) -> None:
    copy = copy_of(ngram_dir)
    (copy / "manifest.json").write_bytes(content)
    refuse(copy, "manifest.json")


@pytest.mark.parametrize("name", ["model.onnx", "vocabulary.npy"])
def test_a_changed_byte_is_noticed(copy_of: Copy, ngram_dir: Path, name: str) -> None:
    copy = copy_of(ngram_dir)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    refuse(copy, name, "SHA-256")


def test_a_link_out_of_the_directory_is_not_followed(copy_of: Copy, ngram_dir: Path, tmp_path: Path) -> None:
    copy = copy_of(ngram_dir)
    (copy / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (copy / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    refuse(copy, "model.onnx", "outside the model directory")


def test_a_member_elsewhere_is_not_followed(copy_of: Copy, cascade_dir: Path, tmp_path: Path) -> None:
    copy = copy_of(cascade_dir)
    (copy / "strong").rename(tmp_path / "elsewhere")
    (copy / "strong").symlink_to(tmp_path / "elsewhere")
    refuse(copy, "strong/manifest.json", "outside the model directory")


def test_a_link_within_the_directory_is_a_file(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    (copy / "model.onnx").rename(copy / "weights-7.onnx")
    (copy / "model.onnx").symlink_to("weights-7.onnx")
    load_model(copy)


def test_a_file_larger_than_any_of_its_kind(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    with (copy / "manifest.json").open("ab") as file:
        file.truncate((1 << 20) + 1)
    refuse(copy, "manifest.json", "larger than 1048576 bytes")


def test_what_is_no_plain_file(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    (copy / "model.onnx").unlink()
    (copy / "model.onnx").mkdir()
    refuse(copy, "model.onnx", "no plain file")


def test_a_large_file_is_hashed_in_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "weights").write_bytes(content)
    files.check_pinned(tmp_path, "weights", files.digest_of(content), len(content))
    with pytest.raises(ModelError, match="SHA-256"):
        files.check_pinned(tmp_path, "weights", "0" * 64, len(content))


def test_a_file_that_is_no_model(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    rewrite(copy, "model.onnx", b"not a model")
    refuse(copy, "model.onnx", "ONNX Runtime")


def test_a_file_that_is_no_tokenizer(copy_of: Copy, encoder_dir: Path) -> None:
    copy = copy_of(encoder_dir)
    rewrite(copy, "tokenizer.json", b"{}")
    refuse(copy, "tokenizer.json", "not a tokenizer")


def test_weights_outside_the_model_are_read_only_where_they_are_pinned(copy_of: Copy, encoder_dir: Path) -> None:
    copy = copy_of(encoder_dir)
    onnx.save_model(
        onnx.load(copy / "model.onnx"), copy / "model.onnx", save_as_external_data=True, location="model.onnx.data",
        size_threshold=100,
    )  # fmt: skip
    rewrite(copy, "model.onnx", (copy / "model.onnx").read_bytes())
    refuse(copy, "model.onnx", "ONNX Runtime does not load it")
    rewrite(copy, "model.onnx.data", (copy / "model.onnx.data").read_bytes())
    load_model(copy)


def test_a_provider_that_is_not_there(encoder_dir: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    with pytest.raises(ModelError, match="no CUDAExecutionProvider here; for it install onnxruntime-gpu"):
        load_model(encoder_dir, provider="cuda")


def test_a_pickle_is_never_opened(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    rewrite(copy, "vocabulary.npy", pickle.dumps({"a": 1}))
    refuse(copy, "vocabulary.npy", "not a NumPy array")
    boxed = io.BytesIO()
    np.save(boxed, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    rewrite(copy, "vocabulary.npy", boxed.getvalue())
    refuse(copy, "vocabulary.npy", "not a NumPy array")


def array_file(header: str) -> bytes:
    """An array of nothing, under a header that may say anything."""
    return b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        array_file("{'descr': '<u4', 'fortran_order': False, 'shape': (10000000000000,), }"),
        array_file("{'descr': '<u4', 'fortran_order': False, 'shape': (1" + "0" * 30 + ",), }"),
        array_file("{'descr': '<u4,,,', 'fortran_order': False, 'shape': (5,), }"),
        array_file("{1: 2, 'descr': '<u4', 'fortran_order': False, 'shape': (5,), }"),
        array_file("{'descr': '<u4', ((((("),
        array_file("(" * 3_000),
        b"PK\x03\x04" + bytes(100),
    ],
)
def test_a_vocabulary_with_an_odd_header(copy_of: Copy, ngram_dir: Path, content: bytes) -> None:
    copy = copy_of(ngram_dir)
    rewrite(copy, "vocabulary.npy", content)
    refuse(copy, "vocabulary.npy", "not a NumPy array")


def test_a_manifest_nested_without_end(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    (copy / "manifest.json").write_text('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", encoding="utf-8")
    refuse(copy, "manifest.json", "nested too deeply")


def test_a_model_in_the_format_of_onnx_runtime(copy_of: Copy, encoder_dir: Path) -> None:
    copy = copy_of(encoder_dir)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(copy / "own")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(copy / "model.onnx", options, providers=["CPUExecutionProvider"])
    rewrite(copy, "model.onnx", (copy / "own").read_bytes())
    refuse(copy, "model.onnx", "protobuf parsing failed")


def test_a_vocabulary_of_another_type(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    array = io.BytesIO()
    np.save(array, np.zeros(load_manifest(ngram_dir).features.slots, dtype=np.int64))
    rewrite(copy, "vocabulary.npy", array.getvalue())
    refuse(copy, "vocabulary.npy", "uint32")


def test_a_model_of_ngrams_that_keeps_no_sums(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    proto = onnx.load(copy / "model.onnx")
    del proto.graph.output[1]
    rewrite(copy, "model.onnx", proto.SerializeToString())
    refuse(copy, "model.onnx", "two outputs")


def test_a_model_of_ngrams_with_other_inputs(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    proto = onnx.load(copy / "model.onnx")
    proto.graph.input[0].name = proto.graph.node[0].input[1] = "tokens"
    rewrite(copy, "model.onnx", proto.SerializeToString())
    refuse(copy, "model.onnx", "two inputs")


def test_an_encoder_of_a_fixed_length(tmp_path: Path) -> None:
    directory = write_encoder(tmp_path)
    proto = encoder_graph(2)
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 32
    rewrite(directory, "model.onnx", proto.SerializeToString())
    refuse(directory, "model.onnx", "input_ids", "dynamic")


def test_an_encoder_with_another_output(tmp_path: Path) -> None:
    directory = write_encoder(tmp_path)
    proto = encoder_graph(2)
    proto.graph.output[0].name = proto.graph.node[-1].output[0] = "scores"
    rewrite(directory, "model.onnx", proto.SerializeToString())
    refuse(directory, "model.onnx", "one output, float `logits`")


def test_an_encoder_that_knows_one_segment_and_is_to_read_two(copy_of: Copy, encoder_dir: Path) -> None:
    copy = copy_of(encoder_dir)
    proto = encoder_graph(2)
    proto.graph.initializer.append(numpy_helper.from_array(np.zeros(1, dtype=np.float32), "segments"))
    cast = next(node for node in proto.graph.node if node.input[0] == "token_type_ids")
    cast.CopyFrom(helper.make_node("Gather", ["segments", "token_type_ids"], cast.output))
    rewrite(copy, "model.onnx", proto.SerializeToString())
    refuse(copy, "model.onnx", "does not run on what tokenizer.json makes of a text with another before it")


def test_the_shipped_manifest_maps_every_head(ngram_dir: Path) -> None:
    manifest = load_manifest(ngram_dir)
    assert manifest.training is not None
    for head in manifest.heads:
        assert re.fullmatch(r"A\.[1-5]\.[a-i]", head.risk)
        assert bool(head.attribute) is head.risk.startswith("A.2.")
        assert manifest.training.harmful[head.name] >= 100
    assert 0.5 < manifest.thresholds.flag < manifest.thresholds.stop < 1


@pytest.mark.parametrize("place", [".", "nowhere"])
def test_weights_in_a_file_that_is_not_pinned(copy_of: Copy, encoder_dir: Path, place: str) -> None:
    copy = copy_of(encoder_dir)
    graph = onnx.load(copy / "model.onnx")
    (copy / place).mkdir(exist_ok=True)
    onnx.save(graph, copy / place / "graph.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    rewrite(copy, "model.onnx", (copy / place / "graph.onnx").read_bytes())
    assert (copy / place / "w.bin").stat().st_size > 0
    refuse(copy, "model.onnx")


def test_a_manifest_that_is_no_text(copy_of: Copy, encoder_dir: Path) -> None:
    copy = copy_of(encoder_dir)
    path = copy / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"name"', b'"na\xffme"', 1))
    refuse(copy, "manifest.json")


def test_a_graph_of_an_opset_that_does_not_exist(copy_of: Copy, encoder_dir: Path) -> None:
    copy = copy_of(encoder_dir)
    proto = onnx.load(copy / "model.onnx")
    proto.opset_import[0].version = 99
    rewrite(copy, "model.onnx", proto.SerializeToString())
    refuse(copy, "model.onnx", "ONNX Runtime does not load it", "opset")


def keep_first_row(directory: Path, output: str) -> None:
    """Have a graph give the first row of its batch alone."""
    proto = onnx.load(directory / "model.onnx")
    (last,) = (node for node in proto.graph.node if output in node.output)
    last.output[list(last.output).index(output)] = "each"
    proto.graph.node.append(onnx.helper.make_node("Slice", ["each", "row_start", "row_end"], [output]))
    for name, value in (("row_start", 0), ("row_end", 1)):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], dtype=np.int64), name))
    rewrite(directory, "model.onnx", proto.SerializeToString())


def test_a_graph_that_gives_one_row_for_every_batch(copy_of: Copy, ngram_dir: Path, tmp_path: Path) -> None:
    encoder, ngrams = write_encoder(tmp_path / "encoder"), copy_of(ngram_dir)
    keep_first_row(encoder, "logits")
    refuse(encoder, "model.onnx", "(1, 2) for a batch of 2")
    keep_first_row(ngrams, "scores")
    refuse(ngrams, "model.onnx", "for a batch of 2")


def test_a_model_of_ngrams_without_room_for_its_padding(copy_of: Copy, ngram_dir: Path) -> None:
    copy = copy_of(ngram_dir)
    proto = onnx.load(copy / "model.onnx")
    slots = load_manifest(ngram_dir).features.slots
    for number, table in enumerate(proto.graph.initializer):
        if table.dims and table.dims[0] == slots + 1:
            shorter = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(table)[:-1], table.name)
            proto.graph.initializer[number].CopyFrom(shorter)
    rewrite(copy, "model.onnx", proto.SerializeToString())
    refuse(copy, "model.onnx", "features.slots")
