"""What a lexicon says about itself as a whole: which channels are on for which risk, what counts as noise, and the
plain lists that belong to it. Read from `lexicon.yaml` in its directory; every value has a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import yaml

from sluice.errors import LexiconError
from sluice.lexicon.problem import Problem
from sluice.lexicon.term import CHANNELS, SEVERITY_SCORES, Boundary, MatchChannel
from sluice.policy.nodes import Entry, Report, check_version, compose, did_you_mean, entries, line_of, plain, show
from sluice.risks import GROUPS, RISKS, suggest
from sluice.text.fold import fold_text

__all__ = ["CONFIDENCE", "LexiconSettings", "PlainList", "check_settings", "read_settings"]

CONFIDENCE: Mapping[MatchChannel, float] = {
    "exact": 1.0,
    "folded": 1.0,
    "noise": 0.95,
    "split": 0.9,
    "pinyin": 0.8,
    "mixed": 0.8,
    "initials": 0.7,
}
"""What a hit's score is multiplied by, where a lexicon says nothing else: the surer the disguise, the nearer to 1. With
the thresholds of the default profile a term of severity 3 stops down to `split` and is flagged below."""

_VERSION = 1
_MAX_NAME = 64
_MAX_NOISE = 64
_ENCODINGS = ("utf-8", "gb18030")


class PlainList(msgspec.Struct, frozen=True):
    """A file with one term a line, and what holds for all of them."""

    file: str
    """Relative to the lexicon's directory."""
    risk: str
    severity: int = 2
    boundary: Boundary = "lower"
    """For terms of two Han characters; longer ones rarely cross a word's edge by accident."""
    channels: tuple[MatchChannel, ...] | None = ("folded", "noise")
    """The cheap ones unless the list asks for more: the others multiply the patterns of a long list."""
    encoding: str = ""
    """`utf-8` or `gb18030`; empty: whichever the bytes are."""
    source: str = ""
    line: int = 0
    """Where `lexicon.yaml` names it."""


class LexiconSettings(msgspec.Struct, frozen=True):
    """The settings of one lexicon."""

    name: str = ""
    noise: str = ""
    """Characters that may stand between the letters of a term, beside those that always may."""
    channels: Mapping[str, Mapping[MatchChannel, float]] = {}
    """Confidences by risk id, group or `*`; 0 turns a channel off. The most specific one that names it holds."""
    lists: tuple[PlainList, ...] = ()
    allow: tuple[str, ...] = ()
    """Files of harmless texts, one a line: a hit inside one of them is none."""

    def confidence(self, risk: str, channel: MatchChannel) -> float:
        """What the score of a hit on this channel is multiplied by; 0 where the channel is off."""
        if channel == "exact":
            return 1.0
        for key in (risk, risk.rpartition(".")[0], "*"):
            found = self.channels.get(key, {}).get(channel)
            if found is not None:
                return found
        return CONFIDENCE[channel]


def check_settings(settings: LexiconSettings) -> None:
    """What must hold of settings that were not read from a `lexicon.yaml`.

    Raises:
        LexiconError: says what does not.
    """
    if len(settings.name) > _MAX_NAME or not settings.name.isprintable():
        raise LexiconError(f"the name is longer than {_MAX_NAME} characters, or does not print")
    if len(settings.noise) > _MAX_NOISE or any(fold_text(c).isalnum() for c in settings.noise):
        raise LexiconError(f"noise is more than {_MAX_NOISE} characters, or has letters or digits")
    for risk, channels in settings.channels.items():
        if risk != "*" and risk not in GROUPS and risk not in RISKS:
            raise LexiconError(f"channels: unknown risk id {risk!r:.60}")
        for channel, confidence in channels.items():
            if channel == "exact" or not 0 <= confidence <= 1:
                raise LexiconError(f"channels: {channel} of {risk} is {confidence}, not a number from 0 to 1")


def read_settings(text: str, file: str, problems: list[Problem]) -> LexiconSettings:
    """Read the text of a `lexicon.yaml`; what is wrong with it goes to `problems` and is left out."""
    report = Report()
    values: dict[str, Any] = {}
    root = compose(text, report)
    given = set()
    for entry in entries(root, "", report) if root is not None else ():
        given.add(entry.key)
        match entry.key:
            case "version":
                check_version(entry, report, _VERSION)
            case "name":
                values["name"] = _text(entry, report, _MAX_NAME)
            case "noise":
                values["noise"] = _noise(entry, report)
            case "channels":
                values["channels"] = _channels(entry, report)
            case "lists":
                values["lists"] = tuple(found for node in _items(entry, report) if (found := _list(node, report)))
            case "allow":
                values["allow"] = tuple(_text(node, report, 512) for node in _items(entry, report))
            case _:
                known = ("version", *(f for f in LexiconSettings.__struct_fields__))
                report.add(entry.line, entry.path, f"unknown key{did_you_mean(entry.key, known)}")
    if root is not None and "version" not in given:
        report.add(line_of(root), "version", "missing")
    for problem in report.sorted():
        message = f"{problem.key}: {problem.message}" if problem.key else problem.message
        problems.append(Problem("error", file, problem.line, message))
    return LexiconSettings(**values)


def _items(entry: Entry, report: Report) -> list[Entry]:
    if not isinstance(entry.node, yaml.SequenceNode):
        report.add(line_of(entry.node), entry.path, f"must be a list, not {show(entry.node)}")
        return []
    return [Entry(entry.key, line_of(node), f"{entry.path}[{i}]", node) for i, node in enumerate(entry.node.value)]


def _text(entry: Entry, report: Report, longest: int) -> str:
    value = plain(entry.node)
    if isinstance(value, str) and len(value) <= longest and value.isprintable():
        return value
    report.add(entry.line, entry.path, f"must be text of at most {longest} printable characters")
    return ""


def _noise(entry: Entry, report: Report) -> str:
    noise = _text(entry, report, _MAX_NOISE)
    letters = [c for c in noise if fold_text(c).isalnum()]
    if letters:
        report.add(entry.line, entry.path, f"letters and digits cannot be noise: {show(entry.node)}")
    return "" if letters else fold_text(noise)


def _channels(channels: Entry, report: Report) -> dict[str, dict[MatchChannel, float]]:
    found: dict[str, dict[MatchChannel, float]] = {}
    for entry in entries(channels.node, channels.path, report):
        if entry.key != "*" and entry.key not in GROUPS and entry.key not in RISKS:
            report.add(entry.line, entry.path, f"unknown risk id {entry.key!r:.60}{suggest(entry.key)}")
            continue
        own = found.setdefault(entry.key, {})
        for item in entries(entry.node, entry.path, report):
            value = plain(item.node)
            number = {True: None, False: 0.0}.get(value) if isinstance(value, bool) else value
            if item.key not in CHANNELS or item.key == "exact":
                report.add(item.line, item.path, f"unknown channel{did_you_mean(item.key, CHANNELS[1:])}")
            elif number is None:
                own[item.key] = CONFIDENCE[item.key]
            elif isinstance(number, int | float) and 0 <= number <= 1:
                own[item.key] = float(number)
            else:
                report.add(item.line, item.path, f"must be on, off or a number from 0 to 1, not {show(item.node)}")
    return found


def _list(given: Entry, report: Report) -> PlainList | None:
    values: dict[str, Any] = {"line": given.line}
    wrong = False
    for entry in entries(given.node, given.path, report):
        value = plain(entry.node)
        match entry.key:
            case "file" | "source":
                values[entry.key] = _text(entry, report, 512)
                continue
            case "risk" if isinstance(value, str) and value in RISKS:
                pass
            case "severity" if value in SEVERITY_SCORES and not isinstance(value, bool):
                pass
            case "boundary" if value in get_args(Boundary):
                pass
            case "encoding" if value in _ENCODINGS:
                pass
            case "channels":
                names = [plain(item.node) for item in _items(entry, report)]
                unknown = [name for name in names if name not in CHANNELS]
                if unknown:
                    report.add(entry.line, entry.path, f"unknown channel{did_you_mean(str(unknown[0]), CHANNELS)}")
                values["channels"] = tuple(name for name in names if name in CHANNELS)
                continue
            case "risk" | "severity" | "boundary" | "encoding":
                report.add(entry.line, entry.path, f"{show(entry.node)} is not a known {entry.key}")
                wrong = True
            case _:
                known = PlainList.__struct_fields__[:-1]
                report.add(entry.line, entry.path, f"unknown key{did_you_mean(entry.key, known)}")
                continue
        values[entry.key] = value
    for key in ("file", "risk"):
        if key not in values:
            report.add(given.line, f"{given.path}.{key}", "missing")
            wrong = True
    return None if wrong else PlainList(**values)
