"""Which label of a checkpoint counts for which risk: as options and as a YAML file say it, and as a manifest has it.

A label is mapped to `RISK[:head[:attribute]]`, or left out by name: a label that nobody thought of would be a risk that
nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import yaml

from sluice.classifier.manifest import RESERVED_HEADS, Head
from sluice.errors import InputError
from sluice.policy.nodes import Entry, Report, check_version, compose, did_you_mean, entries, line_of, plain, show
from sluice.risks import RISKS, Attribute, risk

__all__ = ["MAX_MAP_BYTES", "LabelMap", "Target", "map_labels", "parse_options", "read_map"]

MAX_MAP_BYTES = 1 << 18
"""Size of a YAML file of labels."""

_VERSION = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MAX_DESCRIPTION = 500


@dataclass(frozen=True, slots=True)
class Target:
    """What a label counts for."""

    risk: str
    head: str = ""
    """Empty: named after the label."""
    attribute: str = ""
    """For discrimination; empty: the attribute of the risk."""
    description: str = ""
    """Empty: made of the risk's name and the label."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """The labels that were spoken of."""

    targets: Mapping[str, Target]
    ignored: frozenset[str]

    def joined(self, other: LabelMap) -> LabelMap:
        """Both together.

        Raises:
            InputError: a label is in both.
        """
        both = (self.targets.keys() | self.ignored) & (other.targets.keys() | other.ignored)
        if both:
            raise InputError(f"label given twice: {_listed(sorted(both))}")
        return LabelMap({**self.targets, **other.targets}, self.ignored | other.ignored)


def parse_options(maps: Iterable[str], ignored: Iterable[str]) -> LabelMap:
    """What `--map LABEL=RISK[:head[:attribute]]` and `--ignore LABEL` say.

    Raises:
        InputError: one of them says nothing, something wrong, or the same label twice.
    """
    targets: dict[str, Target] = {}
    left_out = frozenset(ignored)
    for given in maps:
        label, equals, text = given.rpartition("=")
        if not equals or not label:
            raise InputError(f"--map {given!a:.90}: must be LABEL=RISK[:head[:attribute]]")
        try:
            target = _target(text)
        except InputError as error:
            raise InputError(f"--map {given!a:.90}: {error}") from None
        if label in targets or label in left_out:
            raise InputError(f"--map {given!a:.90}: label given twice")
        targets[label] = target
    return LabelMap(targets, left_out)


def read_map(text: str, file: str) -> LabelMap:
    """What the text of a YAML file says: `labels` by name, and a list of those to `ignore`.

    Raises:
        InputError: names the file and each line and key that is wrong.
    """
    report = Report()
    targets: dict[str, Target] = {}
    ignored: list[str] = []
    root = compose(text, report)
    given = set()
    for entry in entries(root, "", report) if root is not None else ():
        given.add(entry.key)
        match entry.key:
            case "version":
                check_version(entry, report, _VERSION)
            case "labels":
                for item in entries(entry.node, entry.path, report):
                    try:
                        targets[item.key] = _entry_target(item, report)
                    except InputError as error:
                        report.add(item.line, item.path, str(error))
            case "ignore":
                ignored = _labels(entry, report)
            case _:
                known = ("version", "labels", "ignore")
                report.add(entry.line, entry.path, f"unknown key{did_you_mean(entry.key, known)}")
    if root is not None and "version" not in given:
        report.add(line_of(root), "version", "missing")
    for label in ignored:
        if label in targets:
            report.add(0, "ignore", f"{label!a:.60} is in labels too")
    if report:
        raise InputError("\n".join(problem.describe(file) for problem in report.sorted()))
    return LabelMap(targets, frozenset(ignored))


def map_labels(labels: Sequence[str], given: LabelMap) -> tuple[tuple[Head, ...], tuple[str | None, ...]]:
    """The heads of a model, and for each of its logits the head that it counts for.

    Args:
        labels: of the checkpoint, one a logit.
        given: what each counts for. Several labels may share a head.

    Raises:
        InputError: a label is not spoken of, or is none of the checkpoint's; no label is mapped; a head is given two
            risks.
    """
    for label in (*given.targets, *given.ignored):
        if label not in labels:
            raise InputError(f"the checkpoint has no label {label!a:.60}{did_you_mean(label, labels)}")
    silent = [label for label in labels if label not in given.targets and label not in given.ignored]
    if silent:
        raise InputError(
            f"labels that are neither mapped nor ignored: {_listed(silent)}; say --map LABEL=RISK or --ignore LABEL "
            f"for each"
        )
    outputs = tuple(_head_of(label, given.targets) for label in labels)
    sharing: dict[str, list[str]] = {}
    for label, head in zip(labels, outputs, strict=True):
        if head is not None:
            sharing.setdefault(head, []).append(label)
    if not sharing:
        raise InputError("all labels are ignored: the model would find nothing")
    return tuple(_head(name, own, given.targets) for name, own in sharing.items()), outputs


def _head_of(label: str, targets: Mapping[str, Target]) -> str | None:
    target = targets.get(label)
    if target is None:
        return None
    name = target.head or re.sub(r"[^a-z0-9_.-]+", "_", label.lower()).strip("_.-")
    if not _NAME.fullmatch(name) or name in RESERVED_HEADS:
        raise InputError(f"no head can be named after the label {label!a:.60}; name one: --map LABEL=RISK:head")
    return name


def _head(name: str, labels: Sequence[str], targets: Mapping[str, Target]) -> Head:
    first = targets[labels[0]]
    for label in labels[1:]:
        if (targets[label].risk, targets[label].attribute) != (first.risk, first.attribute):
            raise InputError(f"head {name}: the labels {_listed(labels)} share it, but not the risk and attribute")
    about = next((targets[label].description for label in labels if targets[label].description), "")
    description = about or f"{RISKS[first.risk].en} (label {_listed(labels)} of the checkpoint)"
    return Head(name=name, risk=first.risk, description=description, attribute=first.attribute)


def _target(text: str) -> Target:
    parts = text.split(":")
    if len(parts) > 3:
        raise InputError("must be RISK[:head[:attribute]]")
    return _checked(*parts)


def _checked(risk_id: str, head: str = "", attribute: str = "", description: str = "") -> Target:
    """A target whose parts fit together.

    Raises:
        InputError: says which does not.
    """
    about = risk(risk_id)
    if not about.decidable:
        raise InputError(f"{risk_id} ({about.en}) can be decided by no filter")
    if head and not _NAME.fullmatch(head):
        raise InputError(f"head {head!a:.60}: must be up to 64 of a-z, 0-9, '_', '.' and '-'")
    if head in RESERVED_HEADS:
        raise InputError(f"head {head}: is a word of `sluice eval`, no name of a head")
    if attribute and attribute not in get_args(Attribute):
        raise InputError(f"unknown attribute {attribute!a:.60}{did_you_mean(attribute, get_args(Attribute))}")
    if attribute and attribute != about.attribute:
        raise InputError(f"attribute {attribute}: {risk_id} is about {about.attribute or 'no protected attribute'}")
    if len(description) > _MAX_DESCRIPTION or not description.isprintable():
        raise InputError(f"description: must be at most {_MAX_DESCRIPTION} printable characters")
    return Target(risk_id, head, about.attribute or "", description)


def _entry_target(entry: Entry, report: Report) -> Target:
    if not isinstance(entry.node, yaml.MappingNode):
        return _target(f"{plain(entry.node)}" if isinstance(entry.node, yaml.ScalarNode) else show(entry.node))
    values: dict[str, str] = {}
    known = ("risk", "head", "attribute", "description")
    for item in entries(entry.node, entry.path, report):
        value = plain(item.node)
        if item.key not in known:
            report.add(item.line, item.path, f"unknown key{did_you_mean(item.key, known)}")
        elif isinstance(value, str):
            values[item.key] = value
        else:
            report.add(item.line, item.path, f"must be text, not {show(item.node)}")
    if "risk" not in values:
        raise InputError("risk is missing")
    return _checked(values["risk"], *(values.get(key, "") for key in known[1:]))


def _labels(entry: Entry, report: Report) -> list[str]:
    if not isinstance(entry.node, yaml.SequenceNode):
        report.add(line_of(entry.node), entry.path, f"must be a list of labels, not {show(entry.node)}")
        return []
    found = []
    for node in entry.node.value:
        label = plain(node)
        if isinstance(label, str):
            found.append(label)
        else:
            report.add(line_of(node), entry.path, f"a label must be text, not {show(node)}; put it in quotes")
    return found


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(label if label.isprintable() and label else ascii(label) for label in labels)
