"""`sluice lexicon`: check a lexicon, try it, count it, compare it, make it one file, and have workers use it."""

from __future__ import annotations

import click

from sluice.cli.controls import activate, active
from sluice.cli.lexicon.audit import audit_command
from sluice.cli.lexicon.check import check_command
from sluice.cli.lexicon.compile import compile_command
from sluice.cli.lexicon.diff import diff_command
from sluice.cli.lexicon.stats import stats_command
from sluice.cli.lexicon.terms import list_command
from sluice.cli.lexicon.trial import test_command

__all__ = ["lexicon"]


@click.group()
def lexicon() -> None:
    """Check, try, count, compare and activate lexicons, and make one a single file.

    A lexicon is a directory or a bundle made by `compile`; where none is named, it is the starter lexicon.
    """


for _command in (
    activate,
    active,
    audit_command,
    check_command,
    compile_command,
    diff_command,
    list_command,
    stats_command,
    test_command,
):
    lexicon.add_command(_command)
