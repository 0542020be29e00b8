"""What the screen and the plain lines both say."""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len

from sluice.demo.stream import StreamRun
from sluice.risks import risk

__all__ = ["clean", "clip", "stop_words", "tail"]


def clean(text: str) -> str:
    """For one line of a terminal: no control characters, no invisible ones, no line breaks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)


def tail(text: str, width: int) -> str:
    """The end of a text, not wider than so many columns."""
    # A column holds at least a part of a character, except for combining marks, which are kept with the rest.
    text = clean(text[-4 * width :])
    at, used = len(text), 0
    while at > 0:
        size = _width(text[at - 1])
        if used + size > width:
            break
        used += size
        at -= 1
    return text[at:]


def clip(text: str, width: int) -> str:
    """The beginning of a text, cut with `…` where it is wider than so many columns."""
    if cell_len(text) <= width:
        return text
    at, used = 0, 1
    while used + _width(text[at]) <= width:
        used += _width(text[at])
        at += 1
    return f"{text[:at]}…"


def stop_words(run: StreamRun) -> tuple[str, str, str, str]:
    """Of a stopped stream: risk id, name, rule, and delay."""
    order = run.order
    if order is None:
        raise ValueError(f"{run.id} was not stopped")
    delay = "" if run.stop_ms is None else f"{run.stop_ms:.0f} ms"
    finding = order.finding
    if finding is None:
        return order.outcome, order.reason, "", delay
    rule = finding.rule if finding.source == "lexicon" else f"{finding.source}:{finding.rule}"
    return finding.risk, risk(finding.risk).en, rule, delay


def _width(char: str) -> int:
    return 0 if unicodedata.combining(char) else cell_len(char)
