"""Which opset an ONNX file is of, read from the file itself: ONNX Runtime does not say it, and takes what it supports.

The file is a protobuf message; only its outermost fields are looked at, so the size of its weights does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["opsets_of"]

_OPSET_IMPORT = 8  # field of ModelProto: one OperatorSetIdProto for each domain
_DOMAIN, _VERSION = 1, 2  # fields of OperatorSetIdProto
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # wire types


def opsets_of(model: bytes) -> set[int]:
    """The versions of ONNX's own operators that a file asks for; more or less than one only in an odd file.

    Args:
        model: a file that ONNX Runtime has loaded, so it is well formed.
    """
    found = set()
    for field, value in _fields(memoryview(model)):
        if field == _OPSET_IMPORT and isinstance(value, memoryview):
            parts = dict(_fields(value))
            domain, version = parts.get(_DOMAIN, b""), parts.get(_VERSION, 0)
            if domain in (b"", b"ai.onnx") and isinstance(version, int):
                found.add(version)
    return found


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: the value of a varint, and the bytes of all others."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            return  # a group, which ONNX does not have
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
