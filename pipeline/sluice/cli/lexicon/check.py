"""`sluice lexicon check`: everything that is wrong with a lexicon, or probably not meant."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import get_args

import click
import msgspec

from sluice.cli.lexicon.audit import summary
from sluice.cli.lexicon.given import EXIT_NOT_MET, as_day, json_option, path_argument, survey, today_option
from sluice.cli.terminal import print_json
from sluice.lexicon.audit import audit, load_profile
from sluice.lexicon.bundle import version_of
from sluice.lexicon.conflicts import find_conflicts
from sluice.lexicon.problem import Level
from sluice.text.visible import visible

__all__ = ["check_command"]

_LEVELS: tuple[Level, ...] = get_args(Level)
_PROFILE = "gbt45654"


@click.command("check", short_help="Name all that is wrong, or probably not meant.")
@path_argument
@click.option("--strict", is_flag=True, help=f"Exit with {EXIT_NOT_MET} when there are warnings.")
@today_option
@json_option
def check_command(path: Path | None, strict: bool, today: datetime | None, as_json: bool) -> None:
    """Check the lexicon at PATH.

    Names every problem as file:line: level: message. Exit code 1 if one of them is an error.
    """
    day = as_day(today)
    name, reading = survey(path)
    problems = [*reading.problems, *find_conflicts(reading, day)]
    problems.sort(key=lambda problem: (problem.file, problem.line))
    counted = Counter(problem.level for problem in problems)
    counts = {level: counted[level] for level in _LEVELS}
    version = version_of(reading.content)
    audited = audit(reading.content, load_profile(_PROFILE), day)
    if as_json:
        print_json(
            {
                "lexicon": name,
                "version": version,
                "terms": len(reading.content.terms),
                "counts": counts,
                "problems": msgspec.to_builtins(problems),
                "audit": {"profile": audited.profile, "met": audited.met, "summary": summary(audited)},
            }
        )
    else:
        for problem in problems:
            place = f"{problem.file}:{problem.line}" if problem.line else problem.file
            click.echo(visible(f"{place}: {problem.level}: {problem.message}"))
        told = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items())
        click.echo(f"{name}: {len(reading.content.terms)} terms, version {version}: {told}")
        click.echo(f"audit {audited.profile}: {summary(audited)}")
    if counts["error"]:
        sys.exit(1)
    if strict and counts["warning"]:
        sys.exit(EXIT_NOT_MET)
