"""Reads the texts that `sluice check` is given: words on the command line, files, standard input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from sluice.errors import InputError
from sluice.text.lines import bounded_lines

__all__ = ["MAX_TEXT_CHARS", "GivenText", "read_texts"]

MAX_TEXT_CHARS = 1_000_000
"""Longest text; a longer one is refused, so that one line cannot take all memory."""

_FILE_NAME = re.compile(r"[\w./~-]{1,200}\.(txt|jsonl?|csv|tsv|md|log)", re.ASCII)
"""What nobody means as a text: a mistyped file must not pass as a clean one."""

_MAX_LINE_BYTES = 6 * MAX_TEXT_CHARS + 4_096


class GivenText(msgspec.Struct, frozen=True):
    """One text to check."""

    id: str
    text: str


def read_texts(
    arguments: tuple[str, ...],
    *,
    whole: bool,
    on_error: Callable[[str], None],
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Iterator[GivenText]:
    """Every text that the arguments name.

    `-` is standard input, the path of a file is that file, anything else is itself a text. A file holds a text a
    line: plain, or a JSON object with `text` and perhaps `id`; with `whole` it is one text.

    Args:
        arguments: as given.
        whole: take each file as one text.
        on_error: called with what is wrong and where; reading goes on behind it.
        on_bytes: called with the number of bytes read since the last call.
    """
    for number, argument in enumerate(arguments, start=1):
        if argument == "-":
            yield from _read(sys.stdin.buffer, "-", whole, on_error, on_bytes)
        elif _is_file(argument):
            try:
                with open(argument, "rb") as file:
                    yield from _read(file, argument, whole, on_error, on_bytes)
            except OSError as error:
                on_error(f"{argument}: {error.strerror}")
        elif _FILE_NAME.fullmatch(argument) or _is_directory(argument):
            on_error(f"{argument}: no such file; a text that looks like one goes in by standard input")
        elif len(argument) > MAX_TEXT_CHARS:
            on_error(f"argument {number}: {_too_long(len(argument))}")
        else:
            yield GivenText(str(number), argument)


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):  # too long for a path, or a NUL in it: then it is a text
        return False


def _is_directory(argument: str) -> bool:
    try:
        return Path(argument).is_dir()
    except (OSError, ValueError):
        return False


def _read(
    file: BinaryIO, name: str, whole: bool, on_error: Callable[[str], None], on_bytes: Callable[[int], None]
) -> Iterator[GivenText]:
    if whole:
        data = file.read(_MAX_LINE_BYTES + 1)
        on_bytes(len(data))
        try:
            yield GivenText(name, _decode(data))
        except InputError as error:
            on_error(f"{name}: {error}")
        return
    for line in bounded_lines(file, _MAX_LINE_BYTES):
        on_bytes(line.size)
        try:
            if line.size > _MAX_LINE_BYTES:
                raise InputError(_too_long(line.size, "bytes"))
            text = _decode(line.data.rstrip(b"\r\n"))
            if text.strip():
                yield _parse(text, str(line.number))
        except InputError as error:
            on_error(f"{name}:{line.number}: {error}")


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}") from None
    if len(text) > MAX_TEXT_CHARS:
        raise InputError(_too_long(len(text)))
    return text


def _parse(line: str, number: str) -> GivenText:
    """A line that is a JSON object must have a text; any other line is one."""
    if not line.lstrip().startswith("{"):
        return GivenText(number, line)
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return GivenText(number, line)
    text = record.get("text")
    if not isinstance(text, str):
        raise InputError("the JSON object has no string `text`")
    given = record.get("id", number)
    if not isinstance(given, str | int):
        raise InputError("`id` is neither a string nor a number")
    return GivenText(str(given), text)


def _too_long(size: int, unit: str = "characters") -> str:
    return f"{size} {unit}, the limit is {MAX_TEXT_CHARS} characters"
