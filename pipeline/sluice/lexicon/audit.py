"""Counts a lexicon against the numbers that a standard or a regulator asks of a keyword library.

The numbers are data: `audits/*.yaml`, or a file of the user's own in the same form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from sluice.errors import LexiconError
from sluice.lexicon.files import Content
from sluice.policy.nodes import Entry, Report, clip, compose, did_you_mean, entries, line_of, plain, show
from sluice.risks import GROUPS, RISKS, suggest

__all__ = ["AuditProfile", "AuditReport", "AuditRow", "audit", "load_profile", "parse_profile", "shipped_profiles"]

_VERSION = 1
_MOST = 10_000_000
_MAX_BYTES = 1 << 20


class AuditProfile(msgspec.Struct, frozen=True):
    """What is asked for. 0 asks for nothing."""

    name: str
    title: str = ""
    total: int = 0
    """Terms in all, each counted once after folding."""
    risks: Mapping[str, int] = {}
    """Terms by risk id, group (for each of its risks) or `*`; the most specific one holds."""
    max_age_days: int | None = None
    """Days since the newest term was added; None: any."""

    def needed(self, risk: str) -> int:
        """Terms that this risk must have."""
        return next((self.risks[key] for key in (risk, RISKS[risk].group, "*") if key in self.risks), 0)


class AuditRow(msgspec.Struct, frozen=True):
    """One risk of a lexicon that was counted."""

    risk: str
    count: int
    needed: int
    ok: bool


class AuditReport(msgspec.Struct, frozen=True):
    """A lexicon counted against a profile."""

    profile: str
    title: str
    today: date
    rows: tuple[AuditRow, ...]
    """The risks that something is asked of or that have terms, in the standard's order."""
    total: int
    total_needed: int
    newest: date | None
    """When the newest term was added; None where no term says."""
    age_days: int | None
    max_age_days: int | None

    @property
    def total_ok(self) -> bool:
        return self.total >= self.total_needed

    @property
    def age_ok(self) -> bool:
        return self.max_age_days is None or (self.age_days is not None and self.age_days <= self.max_age_days)

    @property
    def met(self) -> bool:
        """Whether all of it is as asked."""
        return self.total_ok and self.age_ok and all(row.ok for row in self.rows)


def audit(content: Content, profile: AuditProfile, today: date) -> AuditReport:
    """Count the terms that are in use today; a term counts once after folding, and once for each of its risks.

    A term that is dated after `today` counts, but not as an update.
    """
    terms = {(t.risk, t.folded) for t in content.terms if t.expires is None or t.expires > today}
    counts = Counter(risk for risk, _ in terms)
    rows = tuple(
        AuditRow(risk, counts[risk], needed, counts[risk] >= needed)
        for risk in RISKS
        if (needed := profile.needed(risk)) or counts[risk]
    )
    newest = max((t.added for t in content.terms if t.added is not None and t.added <= today), default=None)
    return AuditReport(
        profile=profile.name,
        title=profile.title,
        today=today,
        rows=rows,
        total=len({folded for _, folded in terms}),
        total_needed=profile.total,
        newest=newest,
        age_days=None if newest is None else (today - newest).days,
        max_age_days=profile.max_age_days,
    )


def shipped_profiles() -> list[str]:
    """Names of the profiles that come with Sluice."""
    files = resources.files(__package__).joinpath("audits").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_profile(name: str) -> AuditProfile:
    """A shipped profile by its name, or one from the file of that path.

    Raises:
        LexiconError: there is none, or it has mistakes; names every one with its line.
    """
    if name in shipped_profiles():
        file = resources.files(__package__).joinpath("audits", f"{name}.yaml")
        return parse_profile(file.read_text(encoding="utf-8"), name)
    if "/" not in name and not name.endswith((".yaml", ".yml")):
        raise LexiconError(f"unknown audit profile {clip(name)}{did_you_mean(name, shipped_profiles())}")
    try:
        with Path(name).open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise LexiconError(f"{name}: larger than {_MAX_BYTES >> 20} MiB")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LexiconError(f"{name}: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        raise LexiconError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_profile(text, name)


def parse_profile(text: str, name: str) -> AuditProfile:
    """The profile that a YAML text holds; `name` is what it and errors are called.

    Raises:
        LexiconError: names every mistake with its line.
    """
    report = Report()
    values: dict[str, Any] = {}
    root = compose(text, report)
    keys = set()
    for entry in entries(root, "", report) if root is not None else ():
        keys.add(entry.key)
        match entry.key:
            case "version":
                if plain(entry.node) != _VERSION or isinstance(plain(entry.node), bool):
                    report.add(entry.line, entry.path, f"must be {_VERSION}, not {show(entry.node)}")
            case "title":
                title = plain(entry.node)
                if isinstance(title, str) and title.isprintable() and len(title) <= 200:
                    values["title"] = title
                else:
                    report.add(entry.line, entry.path, "must be text of at most 200 printable characters")
            case "total" | "max_age_days":
                values[entry.key] = _number(entry, report)
            case "risks":
                values["risks"] = _risks(entry, report)
            case _:
                known = ("version", *AuditProfile.__struct_fields__[1:])
                report.add(entry.line, entry.path, f"unknown key{did_you_mean(entry.key, known)}")
    if root is not None and "version" not in keys:
        report.add(line_of(root), "version", "missing")
    if report:
        raise LexiconError("\n".join(problem.describe(name) for problem in report.sorted()))
    return AuditProfile(name, **values)


def _risks(given: Entry, report: Report) -> dict[str, int]:
    found = {}
    for entry in entries(given.node, given.path, report):
        if entry.key != "*" and entry.key not in GROUPS and entry.key not in RISKS:
            report.add(entry.line, entry.path, f"unknown risk id {clip(entry.key)}{suggest(entry.key)}")
        else:
            found[entry.key] = _number(entry, report)
    return found


def _number(entry: Entry, report: Report) -> int:
    value = plain(entry.node)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    report.add(entry.line, entry.path, f"must be a whole number from 0 to {_MOST}, not {show(entry.node)}")
    return 0
