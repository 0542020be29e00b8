"""The deltas of one channel, put in their order by the rules that the worker uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sluice.contract.limits import Limits

__all__ = ["Piece", "Sequence"]


class Piece(NamedTuple):
    """What one delta says of its channel."""

    seq: int
    start: int
    text: str
    final: bool


class Sequence:
    """Bounded by `Limits.gap_deltas` and `Limits.delta_chars`; what does not fit is dropped, as by the worker.

    A gap that is never filled shows as silence: the worker stops the stream as `gap`, and that order says so.
    """

    __slots__ = ("_early", "_early_chars", "_limits", "length", "next_seq")

    def __init__(self, limits: Limits) -> None:
        self.next_seq = 0
        self.length = 0
        """Characters given out."""
        self._limits = limits
        self._early: dict[int, Piece] | None = None  # most channels never need it
        self._early_chars = 0

    def accept(self, piece: Piece) -> Iterator[Piece]:
        """The pieces that are next now: this one and those that waited for it; none for a repeat or a gap."""
        if piece.seq == self.next_seq and piece.start == self.length:
            yield self._next(piece)
            while self._early:
                held = self._early.pop(self.next_seq, None)
                if held is None:
                    return
                self._early_chars -= len(held.text)
                if held.start != self.length:
                    return
                yield self._next(held)
        elif piece.seq > self.next_seq:
            self._keep(piece)

    def _next(self, piece: Piece) -> Piece:
        self.next_seq += 1
        self.length += len(piece.text)
        return piece

    def _keep(self, piece: Piece) -> None:
        early = self._early = self._early if self._early is not None else {}
        fits = len(early) < self._limits.gap_deltas and (
            self._early_chars + len(piece.text) <= self._limits.delta_chars
        )
        if piece.seq not in early and fits:
            early[piece.seq] = piece
            self._early_chars += len(piece.text)
