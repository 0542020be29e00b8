"""`sluice models`: make a model directory of a checkpoint, check one, measure it, list those at hand."""

from __future__ import annotations

import click

from sluice.cli.eval import eval as eval_command
from sluice.cli.models.check import check_command
from sluice.cli.models.export import export_command
from sluice.cli.models.listing import list_command

__all__ = ["models"]


@click.group()
def models() -> None:
    """Bring your own model: export a checkpoint, check a model directory, measure it, list those at hand.

    A model directory is what `sluice worker --model` and `sluice check --model` take.
    """


for _command in (check_command, eval_command, export_command, list_command):
    models.add_command(_command)
