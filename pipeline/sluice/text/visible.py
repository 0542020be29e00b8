"""Text of others that is only looked at: it cannot steer a terminal, begin a line or go unseen."""

from __future__ import annotations

import json
import re

__all__ = ["escape_json", "visible", "well_formed"]

_LONE = re.compile("[\ud800-\udfff]")
"""Half of a pair: what JSON can bring, and what Python makes of a file name's byte that is no UTF-8."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def well_formed(text: str) -> str:
    """Text that can be written as UTF-8: lone surrogates replaced, one for one."""
    return _LONE.sub(_REPLACEMENT, text)


def visible(text: str) -> str:
    """On one line, with control characters as symbols and what else does not print replaced, one for one."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else chr(0x2400 + ord(c)) if ord(c) < 0x20 else _REPLACEMENT for c in text)


def escape_json(text: str) -> str:
    """JSON with what does not print escaped, so that it can be looked at and stays what it was. Line breaks, which only
    stand between values, stay."""
    odd = {c for c in text if not c.isprintable()} - {"\n"}
    # DEL is ASCII, which `json` leaves alone.
    return text.translate({ord(c): json.dumps(c)[1:-1] if c != "\x7f" else "\\u007f" for c in odd})
