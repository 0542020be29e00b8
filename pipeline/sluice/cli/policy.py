"""`sluice policy`: check policy files, and show what a profile says."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click
import msgspec
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sluice.errors import InputError, PolicyError, Problem
from sluice.policy import Policy, Profile
from sluice.policy.export import to_document
from sluice.policy.profile import RiskRule
from sluice.risks import GROUPS, RISKS

__all__ = ["policy"]

_WIDTH = 100
"""Columns where there is no terminal to ask, as in a pipe or a CI log."""

_MEANINGS: dict[str, str | dict[str, str]] = {
    "mode": {
        "hold": "text is shown when it is cleared",
        "live": "text is shown at once, and withdrawn on a stop",
        "monitor": "recorded only, nothing is stopped",
    },
    "release_unit": {
        "sentence": "a sentence is scored whole before any of it is shown",
        "delta": "shown as soon as the score up to there is low",
    },
    "unit_chars": "characters at which an unfinished sentence is cut",
    "unit_ms": "milliseconds after which a slow sentence is scored as it is",
    "deadline_ms": "milliseconds a gate waits for a release before on_failure",
    "on_failure": {"closed": "unchecked text is not shown", "open": "unchecked text is shown, and recorded as such"},
    "on_context_lost": {"closed": "the stream is stopped", "open": "the stream goes on, unchecked up to there"},
    "gap.wait_ms": "milliseconds a missing delta is waited for, then stop",
    "detectors": "what must clear a text",
    "strong_every": "one sentence in so many goes to the strong model anyway",
}

_file_option = click.option("--file", "file", metavar="FILE", help="Policy file; without it, the shipped policy.")


@click.group()
def policy() -> None:
    """Check policy files and show profiles."""


@policy.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file on standard output.")
def check_command(files: tuple[str, ...], as_json: bool) -> None:
    """Check policy FILEs. Names every problem as file:line: key: message; exit code 1 if there is any."""
    failed = False
    for file in files:
        try:
            found = Policy.load(file)
        except PolicyError as error:
            failed = True
            _report_problems(file, error.problems, as_json)
        else:
            _report_sound(file, found, as_json)
    if failed:
        sys.exit(1)


def _report_problems(file: str, problems: list[Problem], as_json: bool) -> None:
    if as_json:
        click.echo(_json({"file": file, "ok": False, "problems": [asdict(problem) for problem in problems]}))
    else:
        for problem in problems:
            click.echo(problem.describe(file), err=True)


def _report_sound(file: str, found: Policy, as_json: bool) -> None:
    if as_json:
        notes = [asdict(problem) for problem in found.notes]
        click.echo(
            _json({"file": file, "ok": True, "version": found.version, "profiles": [*found.profiles], "notes": notes})
        )
        return
    for problem in found.notes:
        click.echo(problem.describe(file).replace(problem.message, f"note: {problem.message}"), err=True)
    click.echo(f"{file}: OK, version {found.version}, profiles {', '.join(found.profiles)}")


@policy.command("list")
@_file_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(file: str | None, as_json: bool) -> None:
    """List the profiles of a policy."""
    found = _load(file)
    if as_json:
        profiles = [{"name": p.name, "mode": p.mode, "release_unit": p.release_unit} for p in found.profiles.values()]
        click.echo(_json({"version": found.version, "profiles": profiles}))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("profile", "mode", "release unit", "on failure", "detectors"):
        table.add_column(heading, overflow="fold")
    for profile in found.profiles.values():
        row = (profile.name, profile.mode, profile.release_unit, profile.on_failure, ", ".join(profile.detectors))
        table.add_row(*map(Text, row))
    console = _console()
    console.print(table)
    console.print(f"policy version {found.version}", style="dim")


@policy.command("show")
@click.argument("name")
@_file_option
@click.option("--json", "form", flag_value="json", help="As JSON, every risk in full.")
@click.option("--yaml", "form", flag_value="yaml", help="As a policy file that needs no parent.")
def show_command(name: str, file: str | None, form: str | None) -> None:
    """Show profile NAME as it holds, with all that it inherits."""
    found = _load(file)
    try:
        profile = found.profile(name)
    except InputError as error:
        raise click.ClickException(str(error)) from error
    if form == "json":
        click.echo(_json({"version": found.version, "profile": msgspec.to_builtins(profile)}))
    elif form == "yaml":
        document = to_document(profile)
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None), nl=False)
    else:
        _show(profile, found.version)


def _load(file: str | None) -> Policy:
    try:
        return Policy.shipped() if file is None else Policy.load(file)
    except PolicyError as error:
        raise click.ClickException(str(error)) from error


def _show(profile: Profile, version: str) -> None:
    console = _console()
    console.print(Text.assemble(("profile ", "dim"), (profile.name, "bold"), (f"   policy version {version}", "dim")))
    console.print()
    console.print(_settings(profile))
    console.print()
    console.print(_risks(profile))
    console.print("stop: of generation and transmission; retract is added where text was shown", style="dim")


def _settings(profile: Profile) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="cyan")
    table.add_column()
    table.add_column(style="dim")
    for key, meaning in _MEANINGS.items():
        value: Any = profile
        for part in key.split("."):
            value = getattr(value, part)
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        table.add_row(key, shown, meaning if isinstance(meaning, str) else meaning[shown])
    return table


def _risks(profile: Profile) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("risk", width=5)
    table.add_column("名称", width=28, overflow="fold")
    table.add_column("name", width=33, overflow="fold")
    table.add_column("flag", width=4, justify="right")
    table.add_column("stop", width=4, justify="right")
    table.add_column("orders", width=12)
    table.add_column("fails", width=6)
    for group in GROUPS.values():
        table.add_row(group.id, group.zh, group.en, style="bold")
        for risk in RISKS.values():
            if risk.group == group.id:
                table.add_row(risk.id, risk.zh, risk.en, *_rule(profile.rule(risk.id)))
    return table


def _rule(rule: RiskRule) -> tuple[Text, Text, Text, Text]:
    off = Text("–", style="dim")
    flag = off if rule.flag is None else Text(f"{rule.flag:g}", style="yellow")
    if rule.stop is None:
        return flag, off, off, off
    return flag, Text(f"{rule.stop:g}", style="red"), Text(_orders(rule)), Text(rule.on_failure)


def _orders(rule: RiskRule) -> str:
    """`stop` for both stops, which is the rule; then what comes on top of it."""
    stops = "stop" if "stop_generation" in rule.then else "transmission"
    return " + ".join([stops, *(order for order in rule.then if not order.startswith("stop_"))])


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
