"""Writes the JSON Schemas and the AsyncAPI document of the wire records, from the types themselves.

`python -m sluice.contract.schema docs` writes `docs/schemas/*.json` and `docs/asyncapi.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from sluice.contract.ack import Ack
from sluice.contract.codec import VERSION
from sluice.contract.controls import LexiconActivation, WorkerStatus
from sluice.contract.decision import Flag, Order, Release
from sluice.contract.frame import Frame
from sluice.contract.quarantine import Quarantine
from sluice.contract.topics import Topics

__all__ = ["asyncapi", "schemas", "write"]

_RECORDS: dict[str, type] = {
    "frame": Frame,
    "release": Release,
    "order": Order,
    "flag": Flag,
    "ack": Ack,
    "quarantine": Quarantine,
    "lexicon_activation": LexiconActivation,
    "worker_status": WorkerStatus,
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CHANNELS = {
    "outputs": (["frame"], "What producers publish: deltas of generated text. Key: the producer id."),
    "decisions": (
        ["release", "order", "flag"],
        "What the workers decide, on the partition of the frame. Key: the producer id.",
    ),
    "acks": (["ack"], "What producers and gateways did after an order. Key: the producer id."),
    "quarantine": (["quarantine"], "What could not be read, with the reason. Key: the producer id, if known."),
    "controls": (
        ["lexicon_activation", "worker_status"],
        "Compacted, one partition. Which lexicon is active (key `lexicon`) and what each worker uses (key "
        "`status/<slot>`). The lexicon's bundle is there too, as bytes, in pieces of 512 KiB (key "
        "`lexicon/<sha256>/<n>`).",
    ),
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of every record, by its name; each stands by itself."""
    found = {}
    for name, record in _RECORDS.items():
        (root,), components = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
        found[name] = {"$schema": _DIALECT, "title": name, **root, "$defs": components}
    return found


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: topics, who writes and reads them, and the records."""
    names = msgspec.structs.asdict(Topics())
    _, components = msgspec.json.schema_components(list(_RECORDS.values()), ref_template="#/components/schemas/{name}")
    channels = {}
    operations = {}
    for channel, (records, description) in _CHANNELS.items():
        channels[channel] = {
            "address": names[channel],
            "description": description,
            "messages": {record: {"$ref": f"#/components/messages/{record}"} for record in records},
        }
        # From the side of an application that uses Sluice.
        operations[channel] = {
            "action": "send" if channel in ("outputs", "acks") else "receive",
            "channel": {"$ref": f"#/channels/{channel}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sluice",
            "version": str(VERSION),
            "description": "Streaming moderation of generated text. Unknown fields are ignored; a record whose `v` is "
            "higher than this document's version goes to quarantine.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                name: {"name": name, "payload": {"$ref": f"#/components/schemas/{record.__name__}"}}
                for name, record in _RECORDS.items()
            },
            "schemas": components,
        },
    }


def write(directory: Path) -> list[Path]:
    """Write all documents below `directory` and return their paths."""
    documents = {f"schemas/{name}.json": schema for name, schema in schemas().items()}
    documents["asyncapi.json"] = asyncapi()
    written = []
    for name, document in documents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(path)
