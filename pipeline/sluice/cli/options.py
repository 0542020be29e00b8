"""Options that several commands have."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["Number", "deciding_options"]


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
