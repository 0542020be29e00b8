"""The published documents are those of the types, and real records fit them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from sluice.contract import (
    Ack,
    Delta,
    Finding,
    Flag,
    Frame,
    FrameRef,
    Mark,
    Order,
    Quarantine,
    Release,
    Versions,
    encode,
)
from sluice.contract.controls import LexiconActivation, LexiconRef, WorkerStatus
from sluice.contract.schema import asyncapi, schemas, write

ROOT = Path(__file__).resolve().parents[2]

_FINDING = Finding("A.2.e", "classifier", "gender", 0.93, 3, 9, "gender", "", "ab12")
_VERSIONS = Versions("l", "m", "p")
_BUNDLE = LexiconRef("0123456789ab", "a" * 64, 700_000, 2)
RECORDS = {
    "frame": Frame(1, "p", [Delta("s", 0, 0, "好", "reasoning", True, "minor"), Delta("t", 1, 2, "")], 1.5),
    "release": Release(1, "p", FrameRef(0, 7), [Mark("s", "answer", 3)], _VERSIONS, 1.0, 2.0, [Mark("t", "answer", 1)]),
    "order": Order(
        1, "id", "retract", "p", "s", "answer", "default", "blocked", "finding", 3, FrameRef(0, 7), _VERSIONS, 1.0, 2.0,
        _FINDING, 2, 3,
    ),
    "flag": Flag(1, "id", "p", "s", "answer", "default", FrameRef(0, 7), _VERSIONS, 1.0, 2.0, _FINDING),
    "ack": Ack(1, "id", "stop_generation", "producer", "p", "s", "answer", "blocked", 1.0, 2.0, 3),
    "quarantine": Quarantine(1, "t", 0, 7, "not_json", "not JSON", 3, payload=b"abc"),
    "lexicon_activation": LexiconActivation(1, "a", _BUNDLE, 1.5, "me", _BUNDLE),
    "worker_status": WorkerStatus(1, "sluice-0", "refused", "0123456789ab", 1.5, _BUNDLE, "a", "sha256: another"),
}  # fmt: skip


def test_the_files_in_docs_are_those_of_the_types(tmp_path: Path) -> None:
    for written in write(tmp_path):
        kept = ROOT / "docs" / written.relative_to(tmp_path)
        assert kept.read_text() == written.read_text(), f"run `make docs`: {kept.name} is out of date"


@pytest.mark.parametrize("name", RECORDS)
def test_records_fit_their_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])
    jsonschema.validate(json.loads(encode(RECORDS[name])), schemas()[name])


def test_a_record_that_does_not_fit_is_refused() -> None:
    record = json.loads(encode(RECORDS["order"]))
    record["order"] = "explode"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, schemas()["order"])


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    references = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                references.add(node["$ref"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    assert references
    for reference in references:
        node: object = document
        for step in reference.removeprefix("#/").split("/"):
            assert isinstance(node, dict) and step in node, reference
            node = node[step]
