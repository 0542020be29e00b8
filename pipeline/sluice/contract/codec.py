"""Bytes to records and back.

The fast path decodes a whole frame with one typed call. Only when that fails is the frame taken apart,
so that one bad delta costs its neighbours nothing.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from sluice.contract.decision import Decision
from sluice.contract.frame import Delta, Frame
from sluice.contract.limits import MAX_ID_CHARS, Limits

__all__ = ["VERSION", "BadDelta", "BadFrameError", "ReadFrame", "encode", "read_decision", "read_frame"]

VERSION = 1
"""Major version of every record this package writes, and the highest it reads."""

_encoder = msgspec.json.Encoder()
_frame_decoder = msgspec.json.Decoder(Frame)
_decision_decoder: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)

encode = _encoder.encode
"""Any record to JSON bytes."""


class BadDelta(msgspec.Struct, frozen=True):
    """A delta of an otherwise readable frame that could not be used."""

    reason: str
    detail: str
    stream: str
    seq: int | None
    payload: bytes


class BadFrameError(Exception):
    """The whole record cannot be read. `reason` is a stable code, the message says what and where."""

    def __init__(self, reason: str, detail: str, producer: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.producer = producer[:MAX_ID_CHARS]


class ReadFrame(msgspec.Struct, frozen=True):
    """A decoded frame: its usable deltas, and what was wrong with the others."""

    frame: Frame
    bad: list[BadDelta]


def read_decision(data: bytes) -> Decision:
    """Decode one record of `moderation.decisions`.

    Raises:
        msgspec.DecodeError: not JSON, or not a decision.
    """
    try:
        return _decision_decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def read_frame(data: bytes, limits: Limits) -> ReadFrame:
    """Decode one record of `moderation.outputs` and enforce the limits on it.

    Raises:
        BadFrameError: nothing in it can be used.
    """
    if len(data) > limits.frame_bytes:
        raise BadFrameError("frame_too_large", f"{len(data)} bytes, the limit is {limits.frame_bytes}")
    try:
        frame = _frame_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # msgspec lets the last two through: for bytes that are not UTF-8, and for values nested too deep.
        return _take_apart(data, limits)
    if frame.v != VERSION:
        raise _version_error(frame.v, frame.producer)
    longest = limits.delta_chars
    if len(frame.deltas) > limits.frame_deltas or any(len(d.text) > longest for d in frame.deltas):
        return _take_apart(data, limits)
    return ReadFrame(frame, [])


def _version_error(version: object, producer: str) -> BadFrameError:
    return BadFrameError("version", f"$.v: version {version!r} cannot be read, this reads {VERSION}", producer)


def _take_apart(data: bytes, limits: Limits) -> ReadFrame:
    try:
        raw = json.loads(data)
    except UnicodeDecodeError as error:
        raise BadFrameError("not_utf8", f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        where = f" at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadFrameError("not_json", f"not JSON{where}") from None
    if not isinstance(raw, dict):
        raise BadFrameError("field", f"$: expected an object, got {type(raw).__name__}")
    named = raw.get("producer")
    producer = named if isinstance(named, str) and _encodable(named) else ""
    version = raw.get("v")
    if type(version) is int and version != VERSION:
        raise _version_error(version, producer)
    deltas = raw.get("deltas")
    try:
        head = msgspec.convert({**raw, "deltas": []}, Frame)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise BadFrameError("field", _without_values(error), producer) from None
    if not producer:
        raise BadFrameError("surrogate", "$.producer: a lone surrogate is no character")
    if not math.isfinite(head.sent_at):
        raise BadFrameError("field", "$.sent_at: not a finite number", producer)
    if not isinstance(deltas, list):
        raise BadFrameError("field", "$.deltas: expected an array", producer)
    if len(deltas) > limits.frame_deltas:
        raise BadFrameError("too_many_deltas", f"$.deltas: {len(deltas)}, the limit is {limits.frame_deltas}", producer)
    good: list[Delta] = []
    bad: list[BadDelta] = []
    for index, item in enumerate(deltas):
        problem = _problem(item, index, limits)
        if problem is None:
            good.append(msgspec.convert(item, Delta))
        else:
            bad.append(problem)
    return ReadFrame(msgspec.structs.replace(head, deltas=good), bad)


def _problem(item: Any, index: int, limits: Limits) -> BadDelta | None:
    where = f"$.deltas[{index}]"

    def bad(reason: str, detail: str) -> BadDelta:
        stream = item.get("stream") if isinstance(item, dict) else None
        seq = item.get("seq") if isinstance(item, dict) else None
        return BadDelta(
            reason=reason,
            detail=f"{where}{detail}",
            stream=stream[:MAX_ID_CHARS] if isinstance(stream, str) and _encodable(stream) else "",
            seq=seq if type(seq) is int and abs(seq) < 1 << 63 else None,
            # Only the bounded first part: a 10 MB delta must not become a 10 MB quarantine record.
            payload=json.dumps(item, ensure_ascii=True)[: limits.quarantine_bytes].encode(),
        )

    try:
        delta = msgspec.convert(item, Delta)
    except msgspec.ValidationError as error:
        return bad("field", f": {_without_values(error)}")
    except UnicodeEncodeError:  # in a name, or in a value that is one of a few words
        return bad("surrogate", ": a lone surrogate is no character")
    if not _encodable(delta.text) or not _encodable(delta.stream) or not _encodable(delta.profile):
        return bad("surrogate", ": a lone surrogate is no character")
    if len(delta.text) > limits.delta_chars:
        return bad("delta_too_long", f".text: {len(delta.text)} characters, the limit is {limits.delta_chars}")
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_values(error: Exception) -> str:
    """msgspec names types and paths; only an invalid enum value is quoted, and that is cut off here."""
    message = str(error)
    if message.startswith(("Invalid enum value", "Invalid literal")):
        return "Invalid value" + message[message.rfind(" - at") :] if " - at" in message else "Invalid value"
    return message
