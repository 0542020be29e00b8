"""Plays texts as streams through the core that workers use: a shard fed with frames, without a broker."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.contract.codec import VERSION
from sluice.contract.decision import Flag, Order, Release
from sluice.contract.frame import Channel, Delta, Frame
from sluice.contract.limits import Limits
from sluice.evaluation.rows import Row
from sluice.moderation.detector import Passage
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard, Step
from sluice.moderation.windows import HeadRules
from sluice.policy import Profile

__all__ = ["Cutting", "Played", "Replay"]

_AT_ONCE = 64
"""Streams that are written at the same time, as an LLM server does: their windows are scored together."""

_PRODUCER = "evaluation"


class Cutting(msgspec.Struct, frozen=True):
    """How texts are cut into deltas, and how fast they come."""

    delta_chars: int = 5
    even: bool = True
    """Every delta has `delta_chars` characters; else from 1 to twice as many, less one, by chance."""
    seed: int = 1
    characters_per_second: float = 75.0
    """At 30 to 60 tokens a second, a token being 1 to 2 characters of Chinese text."""

    def cut(self, text: str, line: int) -> list[str]:
        """The deltas of a text; the same for the same line, whatever stands beside it."""
        if self.even:
            return [text[at : at + self.delta_chars] for at in range(0, len(text), self.delta_chars)] or [""]
        chance = random.Random(f"{self.seed}:{line}")  # noqa: S311 - nothing here is a secret
        parts, at = [], 0
        while at < len(text):
            size = chance.randint(1, 2 * self.delta_chars - 1)
            parts.append(text[at : at + size])
            at += size
        return parts or [""]


class Played(msgspec.Struct):
    """What happened to one stream."""

    row: Row
    acted_at: int | None = None
    """Characters of the answer written when something was first flagged or stopped."""
    stopped: bool = False
    """In monitor mode: would have been."""
    at_prompt: bool = False
    """It was stopped for its prompt, before the answer began."""
    shown: int = 0
    """Characters of the answer that the reader had seen at the stop."""
    leaked: int = 0
    """Of these, characters of the violation."""
    withdrawn: int = 0
    """Stretches that were held back as violating and passed when their unit was whole."""


class _Live:
    """A stream while it is written."""

    def __init__(self, row: Row, deltas: Iterator[Delta]) -> None:
        self.played = Played(row)
        self.deltas = deltas
        self.written = 0
        self.over = False
        self.held: set[int] = set()
        """Starts of units of the answer that scored high before they were whole."""


class Replay:
    """Plays rows, many at once. `add` and `finish` give back those that are over, in no certain order."""

    def __init__(self, detectors: Detectors, profile: Profile, cutting: Cutting) -> None:
        self._detectors = detectors
        self._profile = profile
        self._cutting = cutting
        self._shard = Shard(0, detectors, Limits())
        self._rules = None if detectors.scorer is None else HeadRules(detectors.scorer.heads, profile)
        self._live: dict[str, _Live] = {}
        self._now = 0.0
        self._offset = -1

    def add(self, row: Row) -> list[Played]:
        """Begin a stream, and play on until there is room for another one."""
        self._live[str(row.line)] = _Live(row, self._deltas(row))
        over: list[Played] = []
        while len(self._live) >= _AT_ONCE:
            over += self._step()
        return over

    def finish(self) -> list[Played]:
        """Play all streams to their ends."""
        over: list[Played] = []
        while self._live:
            over += self._step()
        return over

    def _deltas(self, row: Row) -> Iterator[Delta]:
        if row.prompt:
            yield from self._channel(row, "prompt", [row.prompt])
        yield from self._channel(row, "answer", self._cutting.cut(row.text, row.line))

    def _channel(self, row: Row, channel: Channel, parts: list[str]) -> Iterator[Delta]:
        start = 0
        for seq, part in enumerate(parts):
            yield Delta(str(row.line), seq, start, part, channel, seq == len(parts) - 1, self._profile.name)
            start += len(part)

    def _step(self) -> list[Played]:
        """One frame with the next delta of every stream. Returns the streams that are over."""
        deltas = []
        for live in self._live.values():
            delta = next(live.deltas, None)
            if delta is None:
                live.over = True
                continue
            deltas.append(delta)
            if delta.channel == "answer":
                live.written += len(delta.text)
        self._now += self._cutting.delta_chars / self._cutting.characters_per_second
        self._offset += 1
        frame = Frame(VERSION, _PRODUCER, deltas)
        self._settle(self._shard.begin(frame, self._offset, now=self._now, wall=self._now))
        for step in self._shard.tick(now=self._now, wall=self._now):
            self._settle(step)
        over = [stream for stream, live in self._live.items() if live.over]
        return [self._live.pop(stream).played for stream in over]

    def _settle(self, step: Step) -> None:
        """Score what a step wants scored, and take down what is decided."""
        scorer = self._detectors.scorer
        scores = np.empty((0, 1), dtype=np.float32)
        if scorer is not None and step.windows:
            scores = scorer.score([Passage(window.text) for _, window in step.windows])
        self._note_held(step, scores)
        for decision in (*step.urgent, *self._shard.finish(step, scores, wall=self._now)):
            if not isinstance(decision, Release):
                self._note(decision)

    def _note_held(self, step: Step, scores: NDArray[np.float32]) -> None:
        for (channel, window), row in zip(step.windows, scores, strict=True):
            live = self._live.get(channel.stream.id)
            if live is None or channel.name != "answer" or self._rules is None:
                continue
            high = bool((row >= self._rules.lowest).any())
            if not window.whole:
                if high:
                    live.held.add(window.start)
            elif window.start in live.held:
                live.held.discard(window.start)
                live.played.withdrawn += not high

    def _note(self, decision: Order | Flag) -> None:
        live = self._live.get(decision.stream)
        if live is None or live.over:
            return
        played = live.played
        stops = isinstance(decision, Order) or bool(decision.would)
        if decision.channel != "answer":
            if stops:
                played.stopped = played.at_prompt = True
                played.acted_at = 0
            live.over = live.over or isinstance(decision, Order)
            return
        if played.acted_at is None:
            played.acted_at = live.written
        if not stops or played.stopped:
            return
        played.stopped = True
        if isinstance(decision, Order):
            live.over = True
            # In live mode the reader has whatever is written.
            played.shown = live.written if self._profile.mode == "live" else decision.watermark
            span = live.played.row.span
            if span is not None:
                played.leaked = max(0, min(played.shown, span[1]) - span[0])
            else:
                played.leaked = decision.shown
