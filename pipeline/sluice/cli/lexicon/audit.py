"""`sluice lexicon audit`: a lexicon counted against what is asked of a keyword library."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from sluice.cli.lexicon.given import EXIT_NOT_MET, as_day, json_option, path_argument, printable, read, today_option
from sluice.cli.terminal import WIDTH, console, print_json
from sluice.errors import LexiconError
from sluice.lexicon.audit import AuditReport, AuditRow, audit, load_profile
from sluice.lexicon.bundle import version_of
from sluice.risks import RISKS
from sluice.text.visible import visible

__all__ = ["audit_command", "summary"]


@click.command("audit", short_help="Count a lexicon against what is asked of it.")
@path_argument
@click.option("--profile", default="gbt45654", show_default=True, help="A shipped profile, or a YAML file.")
@today_option
@json_option
def audit_command(path: Path | None, profile: str, today: datetime | None, as_json: bool) -> None:
    """Count the lexicon at PATH against a profile of what is asked of it.

    Exit code 3 if it does not have all of it. The shipped profile's numbers come from secondary sources; its file
    says which text was not seen.
    """
    try:
        asked = load_profile(profile)
    except LexiconError as error:
        raise printable(error) from None
    name, content = read(path)
    report = audit(content, asked, as_day(today))
    version = version_of(content)
    if as_json:
        print_json(
            {"lexicon": name, "version": version, "met": report.met, **msgspec.to_builtins(report, str_keys=True)}
        )
    else:
        _show(report, name, version)
    if not report.met:
        sys.exit(EXIT_NOT_MET)


def summary(report: AuditReport) -> str:
    """One line on what is there and what is not."""
    asked = [row for row in report.rows if row.needed]
    parts = [_of(report.total, report.total_needed, "terms")]
    if asked:
        parts.append(f"{sum(row.ok for row in asked)} of {len(asked)} risks have enough")
    parts.append(_age(report))
    return f"{'met' if report.met else 'not met'}: {', '.join(parts)}"


def _of(count: int, needed: int, what: str) -> str:
    return f"{count} of {needed} {what}" if needed else f"{count} {what}"


def _age(report: AuditReport) -> str:
    if report.newest is None:
        return "no term has a date of that day or before"
    asked = "" if report.max_age_days is None else f" (at most {report.max_age_days})"
    return f"the newest {report.age_days} day{'' if report.age_days == 1 else 's'} old{asked}"


def _show(report: AuditReport, name: str, version: str) -> None:
    screen = console()
    screen.print(Text(f"{name}, version {version}, on {report.today}"), soft_wrap=True)
    screen.print(Text(f"{visible(report.profile)}: {report.title}" if report.title else visible(report.profile)))
    table = Table(box=None, pad_edge=False)
    table.add_column("risk", width=5)
    both = screen.width >= WIDTH
    table.add_column("名称", max_width=28 if both else 44, overflow="fold")
    if both:
        table.add_column("name", max_width=33, overflow="fold")
    for heading in ("terms", "asked"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in report.rows:
        risk = RISKS[row.risk]
        names = (risk.zh, risk.en) if both else (risk.zh,)
        table.add_row(row.risk, *names, f"{row.count}", f"{row.needed}" if row.needed else "–", _state(row))
    screen.print(table)
    screen.print(Text(summary(report), style="green" if report.met else "red"))


def _state(row: AuditRow) -> Text:
    if not row.needed:
        return Text("")
    return Text("ok", style="green") if row.ok else Text(f"{row.needed - row.count} short", style="red")
