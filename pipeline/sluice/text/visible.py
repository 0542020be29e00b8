"""Text of others that is only looked at: it cannot steer a terminal, begin a line or go unseen."""

from __future__ import annotations

import json
import re
import unicodedata

__all__ = ["escape_json", "visible", "well_formed"]

_LONE = re.compile("[\ud800-\udfff]")
"""Half of a pair: what JSON can bring, and what Python makes of a file name's byte that is no UTF-8."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
"""What Python takes for printable, and nobody sees: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt,
16.0) as far as it is assigned and no format character, and two signs that are blank, of Braille and of music."""


def well_formed(text: str) -> str:
    """Text that can be written as UTF-8: lone surrogates replaced, one for one."""
    return _LONE.sub(_REPLACEMENT, text)


def visible(text: str) -> str:
    """On one line, one for one: control characters as symbols, any space as a space, and what else is not seen
    replaced."""
    return text if _is_seen(text) else "".join(map(_shown, text))


def _is_seen(text: str) -> bool:
    return text.isprintable() and not _UNSEEN.search(text)


def _shown(char: str) -> str:
    if _is_seen(char):
        return char
    if ord(char) < 0x20:
        return chr(0x2400 + ord(char))
    return " " if unicodedata.category(char) == "Zs" else _REPLACEMENT


def escape_json(text: str) -> str:
    """JSON with what is not seen escaped, so that it can be looked at and stays what it was. Line breaks, which only
    stand between values, stay."""
    odd = {c for c in text if not _is_seen(c)} - {"\n"}
    # DEL is ASCII, which `json` leaves alone.
    return text.translate({ord(c): json.dumps(c)[1:-1] if c != "\x7f" else "\\u007f" for c in odd})
