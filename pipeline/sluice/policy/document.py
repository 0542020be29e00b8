"""A policy file as it is written: the settings of each profile with their lines, each value of the right type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import msgspec
import yaml
from msgspec import inspect

from sluice.contract.limits import MAX_ID_CHARS
from sluice.policy.nodes import Entry, Report, compose, did_you_mean, entries, line_of, plain, show
from sluice.policy.profile import GapRule, Profile, RiskRule
from sluice.risks import GROUPS, RISKS, suggest

__all__ = ["VERSION", "Draft", "Leaf", "Path", "read_document"]

VERSION = 1
"""The form of file that is read."""

MAX_PROFILES = 1_000
"""Profiles in one file: far more than people write, and still checked in seconds."""

Path = tuple[str, ...]
"""Where a setting stands in its profile: `("mode",)`, `("gap", "wait_ms")`, `("risks", "A.1", "stop")`."""


class Leaf(NamedTuple):
    """One value, and where it is written."""

    value: Any
    line: int
    key: str
    own: bool = True
    """False for a value of the shipped policy: an error is shown in the user's own file."""


@dataclass(slots=True)
class Draft:
    """One profile as it is written, before it inherits anything."""

    name: str
    line: int
    key: str
    extends: Leaf | None = None
    settings: dict[Path, Leaf] = field(default_factory=dict)


def _types(struct: type[msgspec.Struct], *without: str) -> Mapping[str, Any]:
    return {item.name: item.type for item in msgspec.structs.fields(struct) if item.name not in without}


_PROFILE = _types(Profile, "name", "gap", "risks")
_GAP = _types(GapRule)
_RULE = _types(RiskRule)


def read_document(text: str, report: Report) -> dict[str, Draft]:
    """The profiles of a policy file by name. All that is wrong goes to `report`, and is left out of the drafts."""
    root = compose(text, report)
    if root is None:
        return {}
    drafts: dict[str, Draft] = {}
    given = set()
    for entry in entries(root, "", report):
        given.add(entry.key)
        if entry.key == "version":
            version = plain(entry.node)
            if type(version) is not int or version != VERSION:
                report.add(line_of(entry.node), entry.path, f"must be {VERSION}, not {show(entry.node)}")
        elif entry.key == "profiles":
            _read_profiles(entry, drafts, report)
        else:
            report.add(entry.line, entry.path, f"unknown key{did_you_mean(entry.key, ('version', 'profiles'))}")
    if isinstance(root, yaml.MappingNode):
        for key in ("version", "profiles"):
            if key not in given:
                report.add(line_of(root), key, "missing")
    return drafts


def _read_profiles(entry: Entry, drafts: dict[str, Draft], report: Report) -> None:
    for item in entries(entry.node, entry.path, report):
        if not 0 < len(item.key) <= MAX_ID_CHARS or not item.key.isprintable() or item.key != item.key.strip():
            report.add(item.line, item.path, f"a name is 1 to {MAX_ID_CHARS} printable characters, no space around it")
        if len(drafts) == MAX_PROFILES:
            report.add(item.line, entry.path, f"more than {MAX_PROFILES} profiles")
            return
        drafts[item.key] = _read_profile(item, report)
    if isinstance(entry.node, yaml.MappingNode) and not entry.node.value:
        report.add(entry.line, entry.path, "holds no profile")


def _read_profile(profile: Entry, report: Report) -> Draft:
    draft = Draft(profile.key, profile.line, profile.path)
    for entry in entries(profile.node, profile.path, report):
        if entry.key == "extends":
            draft.extends = _leaf(entry, str, report)
        elif entry.key == "gap":
            for item in entries(entry.node, entry.path, report):
                _read_value(item, ("gap", item.key), _GAP, draft, report)
        elif entry.key == "risks":
            _read_risks(entry, draft, report)
        else:
            _read_value(entry, (entry.key,), _PROFILE, draft, report, also=("extends", "gap", "risks"))
    return draft


def _read_risks(risks: Entry, draft: Draft, report: Report) -> None:
    for entry in entries(risks.node, risks.path, report):
        if entry.key != "*" and entry.key not in GROUPS and entry.key not in RISKS:
            report.add(entry.line, entry.path, f"unknown risk id {entry.key!r:.60}{suggest(entry.key)}")
        for item in entries(entry.node, entry.path, report):
            _read_value(item, ("risks", entry.key, item.key), _RULE, draft, report)


def _read_value(
    entry: Entry, path: Path, types: Mapping[str, Any], draft: Draft, report: Report, also: Path = ()
) -> None:
    if entry.key not in types:
        report.add(entry.line, entry.path, f"unknown key{did_you_mean(entry.key, (*also, *types))}")
    elif (leaf := _leaf(entry, types[entry.key], report)) is not None:
        draft.settings[path] = leaf


def _leaf(entry: Entry, wanted: Any, report: Report) -> Leaf | None:
    info = inspect.type_info(wanted)
    if isinstance(info, inspect.VarTupleType):
        return _list(entry, get_args(get_args(wanted)[0]), report)
    value = plain(entry.node)
    try:
        if isinstance(value, yaml.Node):
            raise msgspec.ValidationError
        value = msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        report.add(line_of(entry.node), entry.path, f"must be {_describe(info)}, not {show(entry.node)}")
        return None
    return Leaf(value, line_of(entry.node), entry.path)


def _list(entry: Entry, names: tuple[str, ...], report: Report) -> Leaf | None:
    """Some of `names`, in the order of `names`: that of the file means nothing."""
    if not isinstance(entry.node, yaml.SequenceNode):
        report.add(line_of(entry.node), entry.path, f"must be a list, not {show(entry.node)}")
        return None
    given = set()
    for item in entry.node.value:
        value = plain(item)
        if value not in names:
            report.add(line_of(item), entry.path, f"must hold only {', '.join(names)}, not {show(item)}")
        elif value in given:
            report.add(line_of(item), entry.path, f"holds {value} twice")
        given.add(value)
    if not given <= set(names):
        return None
    chosen = tuple(name for name in names if name in given)
    if entry.key == "detectors" and "lexicon" not in given:
        report.add(line_of(entry.node), entry.path, "must hold lexicon: it is the floor that is always on")
    if entry.key == "then" and "stop_transmission" not in given:
        report.add(line_of(entry.node), entry.path, _unstopped(chosen))
    return Leaf(chosen, line_of(entry.node), entry.path)


def _unstopped(then: tuple[str, ...]) -> str:
    if not then:
        return "orders nothing; to stop nothing, set 'stop: null'"
    reason = {
        "retract": "a reader would lose what was shown and be sent more of it",
        "support": "the crisis answer would stand beside an answer that goes on",
    }.get(then[-1], "the reader would still be sent the text")
    return f"must hold stop_transmission: with {' and '.join(then)} alone {reason}"


def _describe(info: inspect.Type) -> str:
    """A type as a message names it."""
    match info:
        case inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low} to {high}"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
        case inspect.UnionType(types=types):
            return " or ".join(_describe(item) for item in types)
        case inspect.NoneType():
            return "null"
    return "text"
