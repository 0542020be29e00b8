"""The `sluice` command. Each subcommand imports what it needs when it is called, so that none waits for another's."""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from typing import Any

import click
from click.utils import PacifyFlushWrapper

import sluice
from sluice.errors import SluiceError
from sluice.text.visible import visible

__all__ = ["main"]

_COMMANDS = {
    "check": "sluice.cli.check",
    "demo": "sluice.cli.demo",
    "eval": "sluice.cli.eval",
    "kafka": "sluice.cli.kafka",
    "lexicon": "sluice.cli.lexicon",
    "models": "sluice.cli.models",
    "policy": "sluice.cli.policy",
    "topics": "sluice.cli.topics",
    "worker": "sluice.cli.worker",
    "workers": "sluice.cli.worker",
}


class _Lazy(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        home = _COMMANDS.get(name)
        return None if home is None else getattr(import_module(home), name)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except SluiceError as error:
            for line in f"sluice: {error}".split("\n"):
                click.echo(visible(line), err=True)  # it may name a file that others have named
            sys.exit(1)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # What is left in the buffer cannot be written either, and Python would say so once more.
            sys.stdout = PacifyFlushWrapper(sys.stdout)
            click.echo(f"sluice: the output cannot be written: {error.strerror}", err=True)
            sys.exit(1)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(sluice.__version__, prog_name="sluice")
def main() -> None:
    """Moderate generated text while it is being generated, and stop it before a reader sees it."""
