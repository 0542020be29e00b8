"""A YAML text as a tree that knows its line numbers, with bounds on what a text can make its reader do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast

import yaml

from sluice.errors import Problem

__all__ = [
    "Entry",
    "Report",
    "check_version",
    "clip",
    "compose",
    "did_you_mean",
    "entries",
    "join",
    "line_of",
    "plain",
    "show",
]

MAX_DEPTH = 32
"""Levels of nesting that are read. A policy has six; the composer calls itself once for each."""

MAX_PROBLEMS = 200
"""Problems that are listed; more of them are one mistake, repeated."""

_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge", "value")
)
# Narrower than YAML 1.1, where 010 is eight and 1:30 is ninety; and short, as int() is slow on long digits.
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]{0,17})")


class Report:
    """Collects what is wrong in one file, so that its author sees all of it at once."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    def add(self, line: int, key: str, message: str) -> None:
        """Note a problem. The same one again (a mistake that several profiles inherit) counts once."""
        self._problems[Problem(line, key, message)] = None

    def __bool__(self) -> bool:
        return bool(self._problems)

    def sorted(self) -> list[Problem]:
        """The problems in the order of the file."""
        ordered = sorted(self._problems, key=lambda problem: problem.line)
        more = len(ordered) - MAX_PROBLEMS
        return ordered if more <= 0 else [*ordered[:MAX_PROBLEMS], Problem(0, "", f"and {more} more problems")]


class Entry(NamedTuple):
    """One key of a mapping and its value."""

    key: str
    line: int
    path: str
    """Keys from the top of the file down to this one, joined by dots."""
    node: yaml.Node


def compose(text: str, report: Report) -> yaml.Node | None:
    """The tree of a YAML text, or None where there is none: the text is empty or cannot be read, which is reported."""
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        report.add(line, "", f"the character {text[error.position]!a} is not allowed in YAML")
        return None
    try:
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.add(mark.line + 1 if mark else loader.line + 1, "", _syntax(error))
        return None
    except (ValueError, OverflowError):
        # PyYAML lets these out for an escape beyond Unicode ("\UFFFFFFFF") and for a %YAML line of many digits.
        report.add(loader.line + 1, "", "not valid YAML: an escape or number is out of range")
        return None
    if node is None:
        report.add(1, "", "the file is empty; it begins with 'version: 1'")
    return node


class _Loader(yaml.SafeLoader):
    """Composes plain data only: the tree is never larger than the text, and never deep."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise _refuse("anchors and aliases are not read; use 'extends' to share values", event)
        if self._depth == MAX_DEPTH:
            raise _refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and node.tag not in _CORE_TAGS:
            raise _refuse(f"the tag {node.tag!a:.60} is not read", event)
        return node


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML of a kind that no policy needs."""


def _refuse(message: str, event: yaml.Event) -> _RefusedError:
    return _RefusedError(problem=message, problem_mark=cast("yaml.error.Mark", event.start_mark))


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _RefusedError):
        return str(error.problem)
    parts = [part for part in (error.context, error.problem) if part]
    message = f"not valid YAML: {', '.join(parts)}"
    if error.context == "while scanning an alias":
        message += "; a star must be quoted: '*'"
    elif error.problem and "'\\t'" in error.problem:
        message += "; indent with spaces, not tabs"
    return message


def entries(node: yaml.Node, path: str, report: Report) -> Iterator[Entry]:
    """The keys of a mapping in the order of the file; reports what is no mapping and keys that are no text.

    A key that is given twice is reported and yielded twice, so that both values are looked at.
    """
    if not isinstance(node, yaml.MappingNode):
        report.add(line_of(node), path, f"must be a mapping of keys to values, not {show(node)}")
        return
    seen: dict[str, int] = {}
    for key_node, value in node.value:
        line, key = line_of(key_node), plain(key_node)
        if not isinstance(key, str):
            report.add(line, path, f"a key must be text, not {show(key_node)}{_quote_it(key_node)}")
            continue
        inner = join(path, key)
        if key in seen:
            report.add(line, inner, f"given twice, first on line {seen[key]}")
        seen.setdefault(key, line)
        yield Entry(key, line, inner, value)


def plain(node: yaml.Node) -> object:
    """The value of a scalar as text, number, bool or None; the node itself where it is a list or mapping."""
    if not isinstance(node, yaml.ScalarNode):
        return node
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return yaml.SafeLoader.bool_values.get(text.lower(), text)
        case "int" if _INT.fullmatch(text):
            return int(text)
        case "float":
            try:
                return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
            except ValueError:
                return text
    return text


def show(node: yaml.Node) -> str:
    """A value as a message quotes it: on one line, and short."""
    match plain(node):
        case None:
            return "null"
        case bool(value):
            return "true" if value else "false"
        case str(text):
            return clip(text)
        case yaml.SequenceNode():
            return "a list"
        case yaml.MappingNode():
            return "a mapping"
        case number:
            return f"{number}"


def clip(text: str) -> str:
    """Text in quotes, on one line, with no control characters, and cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _quote_it(node: yaml.Node) -> str:
    return f"; put it in quotes: {clip(node.value)}" if isinstance(node, yaml.ScalarNode) and node.value else ""


def join(path: str, key: str) -> str:
    """The path of `key` below `path`; a key that would not print on one line is quoted."""
    key = key if key.isprintable() and 0 < len(key) <= 60 else clip(key)
    return f"{path}.{key}" if path else key


def line_of(node: yaml.Node) -> int:
    """The line that a node begins on, counted from 1."""
    return int(node.start_mark.line) + 1


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest known one, or those there are."""
    names = list(known)
    close = difflib.get_close_matches(written.lower()[:60], names, n=1)
    if close:
        return f", did you mean {clip(close[0])}?"
    listed = ", ".join(names[:12]) if all(map(str.isprintable, names[:12])) else ", ".join(map(clip, names[:12]))
    return f"; known are {listed}{', …' if len(names) > 12 else ''}"


def check_version(entry: Entry, report: Report, version: int) -> None:
    """Report an entry that does not say the version of the form that is read here."""
    if plain(entry.node) != version or isinstance(plain(entry.node), bool):
        report.add(line_of(entry.node), entry.path, f"must be {version}, not {show(entry.node)}")
