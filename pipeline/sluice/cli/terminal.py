"""What commands print: text of others that cannot steer the terminal, and JSON that is safe to look at."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console

__all__ = ["WIDTH", "console", "print_json", "visible"]

WIDTH = 100
"""Columns where there is no terminal to ask, as in a pipe or a CI log."""


def visible(text: str) -> str:
    """On one line, with control characters as symbols, one for one."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else chr(0x2400 + ord(c)) if ord(c) < 0x20 else "\ufffd" for c in text)


def print_json(value: Any) -> None:
    """One object on one line of standard output; what does not print is escaped, and so stays what it was."""
    text = json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    click.echo(text)


def console() -> Console:
    """For tables on standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
