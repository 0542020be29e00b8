"""`sluice lexicon diff`: what one lexicon has that another has not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from sluice.cli.lexicon.given import EXIT_NOT_MET, json_option, read, term_record
from sluice.cli.terminal import print_json
from sluice.lexicon.bundle import version_of
from sluice.lexicon.diff import Changed, LexiconDiff, diff
from sluice.lexicon.term import Term
from sluice.text.visible import visible

__all__ = ["diff_command"]


@click.command("diff", short_help="Show what one lexicon has that another has not.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@json_option
def diff_command(before: Path, after: Path, as_json: bool) -> None:
    """Show what AFTER has that BEFORE has not, and the other way round.

    Exit code 3 if they differ. Notes, reviewers and dates count as differences too, though they do not change a
    lexicon's version.
    """
    (_, old), (_, new) = read(before), read(after)
    found = diff(old, new)
    versions = (version_of(old), version_of(new))
    if as_json:
        print_json({"before": versions[0], "after": versions[1], **_record(found)})
    else:
        _show(found)
        counts = f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed"
        same = "version " + (versions[0] if versions[0] == versions[1] else f"{versions[0]} to {versions[1]}")
        click.echo(f"{counts}; {same}" if found else f"no difference; {same}")
    if found:
        sys.exit(EXIT_NOT_MET)


def _show(found: LexiconDiff) -> None:
    for setting in found.settings:
        click.echo(visible(f"! {setting.name}: {_plain(setting.before)} to {_plain(setting.after)}"))
    for sign, texts in (("-", found.harmless_removed), ("+", found.harmless_added)):
        for text in texts:
            click.echo(visible(f"{sign} harmless: {text}"))
    for sign, terms in (("-", found.removed), ("+", found.added)):
        for term in terms:
            click.echo(visible(f"{sign} {_line(term)}"))
    for change in found.changed:
        click.echo(visible(f"~ {_line(change.after)}: {_fields(change)}"))


def _line(term: Term) -> str:
    return f"{term.risk} {term.severity} {term.category}: {term.text}"


def _fields(change: Changed) -> str:
    """What changed in a term; of several values, those that came and went."""
    told = []
    for field in change.fields:
        before, after = getattr(change.before, field), getattr(change.after, field)
        if field == "allow":
            told += [
                f"allow {sign}{text}"
                for sign, a, b in (("-", before, after), ("+", after, before))
                for text in a
                if text not in b
            ] or ["allow in another order"]
        else:
            told.append(f"{field} {_plain(before)} to {_plain(after)}")
    return ", ".join(told)


def _plain(value: Any) -> str:
    """A value as the files write it."""
    if isinstance(value, bool):
        return str(int(value))
    if value is None or value in ("", (), [], {}):
        return "none"
    if isinstance(value, tuple | list):
        return "|".join(map(_plain, value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def _record(found: LexiconDiff) -> dict[str, Any]:
    return {
        "added": [term_record(term) for term in found.added],
        "removed": [term_record(term) for term in found.removed],
        "changed": [
            {"fields": list(c.fields), "before": term_record(c.before), "after": term_record(c.after)}
            for c in found.changed
        ],
        "settings": msgspec.to_builtins(found.settings),
        "harmless_added": list(found.harmless_added),
        "harmless_removed": list(found.harmless_removed),
    }
