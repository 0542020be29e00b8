"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

__all__ = ["deciding_options"]

_DECIDING = [
    click.option("--profile", default="default", show_default=True, help="Profile of the policy."),
    click.option("--policy", type=click.Path(path_type=Path), help="Policy file. Default: the shipped profiles."),
    click.option(
        "--lexicon", type=click.Path(path_type=Path), help="Lexicon: directory or bundle. Default: the starter lexicon."
    ),
    click.option("--model", type=click.Path(path_type=Path), help="Model directory. Default: the shipped model."),
]


def deciding_options(function: Callable[..., None]) -> Callable[..., None]:
    """What decides about a text: `profile`, `policy`, `lexicon`, `model`."""
    for option in reversed(_DECIDING):
        function = option(function)
    return function
