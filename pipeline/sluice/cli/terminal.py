"""What commands print: text of others that cannot steer the terminal, and JSON that is safe to look at."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console

from sluice.text.visible import escape_json

__all__ = ["WIDTH", "console", "print_json"]

WIDTH = 100
"""Columns where there is no terminal to ask, as in a pipe or a CI log."""


def print_json(value: Any) -> None:
    """One object on one line of standard output; what does not print is escaped, and so stays what it was."""
    click.echo(escape_json(json.dumps(value, ensure_ascii=False)))


def console() -> Console:
    """For tables on standard output."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
