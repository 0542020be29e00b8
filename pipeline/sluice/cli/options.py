"""Options that several commands have."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["Given", "Number", "deciding_options", "hash_key"]


class Given(click.Option):
    """An option that says something where it is given: an empty value, as of a shell's variable that is not set, would
    pass for none at all, or for the current folder."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if value == "":
            raise click.BadParameter("is empty; leave the option out, or say what it is.", ctx, self)
        return super().type_cast_value(ctx, value)


class Number(click.FloatRange):
    """A number within bounds. `nan`, which is within any for click, is none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r:.20} is not a number.", param, ctx)
        return number


_DECIDING = [
    click.option("--profile", default="default", show_default=True, help="Profile of the policy."),
    click.option(
        "--policy", cls=Given, type=click.Path(path_type=Path), help="Policy file. Default: the shipped profiles."
    ),
    click.option(
        "--lexicon",
        cls=Given,
        type=click.Path(path_type=Path),
        help="Lexicon: directory or bundle. Default: the starter lexicon.",
    ),
    click.option(
        "--model", cls=Given, type=click.Path(path_type=Path), help="Model directory. Default: the shipped model."
    ),
]


def deciding_options(function: Callable[..., None]) -> Callable[..., None]:
    """What decides about a text: `profile`, `policy`, `lexicon`, `model`."""
    for option in reversed(_DECIDING):
        function = option(function)
    return function


def hash_key() -> bytes | None:
    """The secret of the hashes, SLUICE_HASH_KEY in the environment: its very bytes, which need not be UTF-8. None where
    it is not set, or empty."""
    return os.fsencode(os.environ.get("SLUICE_HASH_KEY", "")) or None
