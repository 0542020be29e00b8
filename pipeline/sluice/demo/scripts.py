"""What the demo's answers say, and what must happen to each. The texts are in `clean.yaml` and `violating.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Literal

import msgspec
import yaml

from sluice.contract.decision import Source
from sluice.contract.frame import Channel
from sluice.errors import InputError
from sluice.risks import risk

__all__ = ["Expectation", "Script", "Violation", "load_scripts", "parse_scripts"]

_OPEN, _CLOSE = "⟦", "⟧"
_FILES = ("clean.yaml", "violating.yaml")


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer must be stopped."""

    risk: str
    source: Source
    """The detector that finds it first."""
    attribute: str = ""
    """For discrimination: the protected attribute that the finding names."""
    support: bool = False
    """Whether a crisis answer is ordered as well."""


class Violation(msgspec.Struct, frozen=True):
    """Where an answer goes wrong, in characters of one channel; known from the script, not from any detector."""

    channel: Channel
    start: int
    """First character that no reader may see."""
    end: int
    """One past the character with which the violation is complete."""


class Script(msgspec.Struct, frozen=True):
    """One answer."""

    id: str
    lang: Literal["zh", "en"]
    profile: str
    channels: tuple[tuple[Channel, str], ...]
    """The texts in the order in which they are generated."""
    expect: Expectation | None = None
    """None: every character must reach the reader."""
    violation: Violation | None = None
    cut_inside: bool = False
    """The violating stretch comes one character at a time."""

    @property
    def length(self) -> int:
        """Characters of all channels."""
        return sum(len(text) for _, text in self.channels)


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A script as its file has it: sentences, with the violation marked in them."""

    id: str
    lang: Literal["zh", "en"]
    answer: list[str]
    reasoning: list[str] = []
    profile: str = "default"
    cut_inside: bool = False
    expect: Expectation | None = None


def load_scripts() -> list[Script]:
    """All scripts that come with the demo."""
    folder = resources.files(__package__)
    return [script for name in _FILES for script in parse_scripts(folder.joinpath(name).read_text("utf-8"), name)]


def parse_scripts(text: str, name: str) -> list[Script]:
    """The scripts in a YAML text.

    Raises:
        InputError: it is not what it must be; says which script of `name`.
    """
    try:
        written = msgspec.convert(yaml.safe_load(text), list[_Written])
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise InputError(f"{name}: {error}") from None
    if len({item.id for item in written}) != len(written):
        raise InputError(f"{name}: two scripts have the same id")
    return [_script(item, name) for item in written]


def _script(written: _Written, name: str) -> Script:
    glue = "" if written.lang == "zh" else " "
    channels: list[tuple[Channel, str]] = []
    violations: list[Violation] = []
    texts: Iterable[tuple[Channel, list[str]]] = (("reasoning", written.reasoning), ("answer", written.answer))
    for channel, sentences in texts:
        if sentences:
            plain, spans = _unmark(glue.join(sentences))
            channels.append((channel, plain))
            violations += [Violation(channel, start, end) for start, end in spans]
    if len(violations) != (written.expect is not None):
        raise InputError(f"{name}: {written.id}: a script has one marked stretch if it expects a stop, and else none")
    if written.expect is not None:
        risk(written.expect.risk)
    return Script(
        id=written.id,
        lang=written.lang,
        profile=written.profile,
        channels=tuple(channels),
        expect=written.expect,
        violation=violations[0] if violations else None,
        cut_inside=written.cut_inside,
    )


def _unmark(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the stretches that they enclosed."""
    spans = []
    while _OPEN in text:
        start = text.index(_OPEN)
        end = text.index(_CLOSE, start) - 1
        text = text[:start] + text[start + 1 : end + 1] + text[end + 2 :]
        spans.append((start, end))
    return text, spans
