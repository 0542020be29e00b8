"""Quotation marks: who quotes a word uses the marks at hand, and means the same."""

from __future__ import annotations

__all__ = ["in_any_quotes"]

_PAIRS = ("“”", "‘’", "「」", "『』", '""', "''")
_OPEN, _CLOSE = ({pair[side] for pair in _PAIRS} for side in (0, 1))


def in_any_quotes(text: str) -> set[str]:
    """A text as it is, and with its quotation marks replaced by each other kind."""
    inside = False
    places: dict[int, int] = {}
    for at, char in enumerate(text):
        if char in (_CLOSE if inside else _OPEN):
            places[at] = int(inside)
            inside = not inside
    if not places or inside:  # none, or a mark without its other half
        return {text}
    written = ("".join(pair[places[at]] if at in places else c for at, c in enumerate(text)) for pair in _PAIRS)
    return {text, *written}
