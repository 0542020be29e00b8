"""Which columns of a labelled file hold what, and what its labels stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from sluice.errors import InputError
from sluice.evaluation.targets import ANY, Targets
from sluice.policy.nodes import Report, compose, entries
from sluice.text.visible import visible

__all__ = ["CLEAN", "IGNORE", "UNKNOWN", "Columns", "LabelColumn", "Labeller", "load_columns", "parse_values"]

CLEAN = "clean"
IGNORE = "ignore"
UNKNOWN = -1
"""The label of a text for a target that its row says nothing about."""

_MAX_BYTES = 1 << 20
_SHOWN = 24
"""Characters of an unknown label that are quoted; a longer one is perhaps no label but a text."""


_Names = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


class LabelColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of labels."""

    column: str | _Names
    """Its name, or several names whose values are joined by `/` into one."""
    values: Mapping[str, str | _Names] = {}
    """What a value stands for: targets, `clean` or `ignore`. A value that is not here must itself be one of these."""
    others: Literal["ignore", "clean"] = "ignore"
    """What a text that one target of this column fits is for the column's other targets: unknown, or clean."""
    separator: str = ""
    """What stands between several labels in one cell; empty: a cell has one label."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if isinstance(self.column, str) else self.column


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a mapping file."""

    text: str = "text"
    labels: tuple[LabelColumn, ...] = (LabelColumn("label"),)
    """None: every text is clean."""
    prompt: str | None = None
    """What the text answers: the context of its first sentence. On streams it goes first, on a channel of its own."""
    span: tuple[str, str] | None = None
    """Where the violation begins and ends (one past), in code points of the text; empty where there is none."""

    @property
    def named(self) -> list[str]:
        """Every column that is needed."""
        more = [name for name in (self.prompt, *(self.span or ())) if name]
        return [self.text, *(name for label in self.labels for name in label.columns), *more]


def load_columns(path: Path) -> Columns:
    """Read a mapping file.

    Raises:
        InputError: it cannot be read, or does not say what it must; names the line or the key.
    """
    name = visible(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{name}: larger than {_MAX_BYTES} bytes")
    report = Report()
    root = compose(text, report)
    given = None if root is None else _written(root, "", report)
    if report:
        raise InputError("\n".join(problem.describe(name) for problem in report.sorted()))
    try:
        return msgspec.convert(given, Columns)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: {visible(str(error))}") from error


def _written(node: yaml.Node, path: str, report: Report) -> Any:
    """A tree of mappings and lists whose leaves are the text as it is written, so that 0 and "0" are the same label."""
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"
        return {entry.key: _written(entry.node, entry.path, report) for entry in entries(node, path, report)}
    if isinstance(node, yaml.SequenceNode):
        return [_written(item, path, report) for item in node.value]
    return node.value


class Labeller:
    """Turns the cells of a row into what is known of each target."""

    def __init__(self, columns: Sequence[LabelColumn], targets: Targets) -> None:
        """Look up what the columns name.

        Raises:
            InputError: a value stands for something that there is not.
        """
        self._targets = targets
        self._readers = [_ColumnReader(column, targets) for column in columns]
        self.named: set[int] = {place for reader in self._readers for place in reader.declared}
        """Targets that the mapping or a label has named, as places in `Targets.all`."""

    def labels(self, record: Mapping[str, Any]) -> NDArray[np.int8] | None:
        """What is known of each target, shape `(targets,)`: 1 harmful, 0 clean, -1 unknown. None: nothing of any.

        Raises:
            InputError: a label stands for nothing.
        """
        found = np.full(len(self._targets.all), UNKNOWN, dtype=np.int8)
        if not self._readers:
            found[:] = 0
            return found
        states = [reader.read(record, found, self.named) for reader in self._readers]
        if all(state == CLEAN for state in states):
            found[0] = 0
        return found if (found != UNKNOWN).any() else None


class _ColumnReader:
    def __init__(self, label: LabelColumn, targets: Targets) -> None:
        self._label = label
        self._targets = targets
        self._meanings = {
            value: (stands,) if isinstance(stands, str) else stands for value, stands in label.values.items()
        }
        name = "/".join(label.columns)
        self.declared: list[int] = []
        for value, stands in self._meanings.items():
            for one in stands:
                try:
                    self.declared += [] if one in (CLEAN, IGNORE) else [targets.place(one)]
                except InputError as error:
                    raise InputError(f"label column {name}: value {value!r:.40}: {error}") from None
        # Without a list of values any target may be named, so a clean text is clean for all of them.
        own = self.declared or range(len(targets.all))
        self._own = np.array([place for place in own if targets.all[place].name != ANY], dtype=np.int64)

    def read(self, record: Mapping[str, Any], found: NDArray[np.int8], named: set[int]) -> str:
        """Enter what this column says into `found`. Returns `clean`, `ignore` or, where it names a target, nothing."""
        stands = [one for value in self._values(record) for one in self._meaning(value)]
        places = [self._targets.place(one) for one in stands if one not in (CLEAN, IGNORE)]
        if places:
            named.update(places)
            covered = [place for one in places for place in self._targets.covering(one)]
            if self._label.others == "clean":
                rest = np.setdiff1d(self._own, covered)
                found[rest[found[rest] == UNKNOWN]] = 0
            found[covered] = 1
            return ""
        if CLEAN in stands:
            found[self._own[found[self._own] == UNKNOWN]] = 0
            return CLEAN
        return IGNORE

    def _values(self, record: Mapping[str, Any]) -> list[str]:
        cells = [record.get(name) for name in self._label.columns]
        if any(cell is None for cell in cells):
            return []
        if len(cells) == 1 and isinstance(cells[0], list):
            return [_as_text(cell) for cell in cells[0]]
        value = "/".join(_as_text(cell).strip() for cell in cells)
        separator = self._label.separator
        return [part.strip() for part in value.split(separator)] if separator else [value]

    def _meaning(self, value: str) -> tuple[str, ...]:
        known = self._meanings.get(value)
        if known is not None:
            return known
        if value in (CLEAN, IGNORE):
            return (value,)
        try:
            self._targets.place(value)
        except InputError:
            shown = repr(value) if len(value) <= _SHOWN else f"of {len(value)} characters"
            where = "/".join(self._label.columns)
            raise InputError(f"the label {shown} in column {where} stands for nothing") from None
        return (value,)


def _as_text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return str(cell)
    raise InputError("a label is neither text, number, true or false")


def parse_values(pairs: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What options of the form `VALUE=TARGET[,TARGET…]` say.

    Raises:
        InputError: one of them has another form.
    """
    for pair in pairs:
        value, sign, stands = pair.rpartition("=")
        if not sign or not stands:
            raise InputError(f"{pair!r:.60} is not VALUE=TARGET")
        yield value, tuple(one.strip() for one in stands.split(","))
