"""Quotation marks: who quotes a word uses the marks at hand, and means the same."""

from __future__ import annotations

__all__ = ["in_any_quotes"]

_CLOSING = {"“": "”", "‘": "’", "「": "」", "『": "』", '"': '"'}
"""What is read as a pair. A straight single mark is mostly an apostrophe."""
_DIRECTED = (("“”", "‘’"), ("‘’", "“”"), ("「」", "『』"), ("『』", "「」"))
"""What a pair is written as, and a pair inside it."""
_STRAIGHT = (('""', "''"), ("''", '""'))


def in_any_quotes(text: str) -> set[str]:
    """A text as it is, and with its quotation marks replaced by each other kind, those of a quotation within a
    quotation too.

    Straight marks do not say which way they look: what stands between two quotations stands in marks too. So they are
    among the kinds only where the text goes on behind the last mark.
    """
    if _CLOSING.keys().isdisjoint(text):
        return {text}
    opened: list[str] = []
    places: dict[int, tuple[int, int]] = {}
    for at, char in enumerate(text):
        if opened and char == _CLOSING[opened[-1]]:
            opened.pop()
            places[at] = (len(opened), 1)
        elif char in _CLOSING:
            places[at] = (len(opened), 0)
            opened.append(char)
    if opened or max(depth for depth, _ in places.values()) > 1:
        return {text}
    kinds = _DIRECTED if len(text) - 1 in places else _DIRECTED + _STRAIGHT
    written = (
        "".join(kind[places[at][0]][places[at][1]] if at in places else char for at, char in enumerate(text))
        for kind in kinds
    )
    return {text, *written}
