"""Plays texts as streams through the core that workers use: a shard fed with frames, without a broker."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.contract.codec import VERSION
from sluice.contract.decision import Flag, Order, Release
from sluice.contract.frame import Channel, Delta, Frame
from sluice.contract.limits import Limits
from sluice.errors import UnavailableError
from sluice.evaluation.rows import Row
from sluice.moderation.channel import ChannelState
from sluice.moderation.detectors import Detectors
from sluice.moderation.scores import attempt
from sluice.moderation.shard import Shard
from sluice.moderation.steps import Ask, Step, skimming
from sluice.moderation.units import Unit, take_judgement
from sluice.moderation.windows import HeadRules
from sluice.policy import Profile

__all__ = ["Cutting", "Played", "Replay"]

_AT_ONCE = 64
"""Streams that are written at the same time, as an LLM server does: their sentences are scored together."""

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
    """Sentences that the profile would have acted on before they were whole, and that passed in the end."""


class _Live:
    """A stream while it is written."""

    def __init__(self, row: Row, deltas: Iterator[Delta]) -> None:
        self.played = Played(row)
        self.deltas = deltas
        self.written = 0
        self.over = False
        self.held: dict[int, Unit] = {}
        """Units of the answer that scored high before they were whole, by their starts."""

    def relent(self, reaches: Callable[[NDArray[np.float32]], bool]) -> None:
        """Count those that are whole by now, and passed."""
        for unit in [unit for unit in self.held.values() if unit.whole and unit.answer is not None]:
            del self.held[unit.start]
            self.played.withdrawn += unit.answer is not None and not reaches(unit.answer)


class Replay:
    """Plays rows, many at once. `add` and `finish` give back those that are over, in no certain order.

    Where the model gives no scores the profile's failure outcome holds: text is passed without, or the evaluation ends
    with `UnavailableError`, since a stream that was blocked for that says nothing of the detectors.
    """

    def __init__(self, detectors: Detectors, profile: Profile, cutting: Cutting) -> None:
        self._profile = profile
        self._cutting = cutting
        self._shard = Shard(0, detectors, Limits())
        self._scorer = scorer = detectors.scorer
        self._rules = None if scorer is None else HeadRules(scorer.heads, profile, scorer.skimmer)
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
        self._settle([self._shard.begin(frame, self._offset, now=self._now, wall=self._now)])
        self._settle(self._shard.tick(now=self._now, wall=self._now))
        over = [stream for stream, live in self._live.items() if live.over]
        return [self._live.pop(stream).played for stream in over]

    def _settle(self, steps: Sequence[Step]) -> None:
        """Skim and judge all that steps have brought, as a worker does that is never late."""
        while steps:
            asks: list[Ask] = []
            for step in steps:
                asks += self._finish(step)
            if asks and self._scorer is not None:
                found = attempt(self._scorer.judge, [ask.unit.passage for ask in asks])
                take_judgement([ask.unit for ask in asks], found, len(self._scorer.heads))
                for ask in asks:
                    self._watch(ask.channel, ask.unit, ask.unit.answer)
            steps = self._shard.answered(asks, wall=self._now)

    def _finish(self, step: Step) -> list[Ask]:
        """Skim, take down what is decided, and return what is to be judged."""
        skim = skimming([step])
        if skim.units and self._scorer is not None and self._scorer.skimmer is not None:
            read = [
                (channel, unit)
                for channel in dict.fromkeys(channel for channel, _ in step.touched)
                if channel.windows is not None
                for unit in channel.windows.unskimmed()
            ]
            answer = attempt(self._scorer.skimmer.skim, skim.states, skim.pieces)
            skim.take(0, len(skim.units), answer, len(self._scorer.heads))
            for channel, unit in read:
                self._watch(channel, unit, unit.skim)
        finished = self._shard.finish(step, wall=self._now)
        for decision in (*step.urgent, *finished.decisions):
            if not isinstance(decision, Release):
                self._note(decision)
        for live in self._live.values():
            live.relent(self._reaches)
        return finished.asks

    def _reaches(self, scores: NDArray[np.float32]) -> bool:
        """Whether the profile acts on them."""
        return self._rules is not None and bool((scores >= self._rules.lowest).any())

    def _watch(self, channel: ChannelState, unit: Unit, scores: NDArray[np.float32] | None) -> None:
        """Note a sentence of an answer that scores high before it is whole, and go on looking at it."""
        live = self._live.get(channel.stream.id)
        if live is None or channel.name != "answer" or scores is None:
            return
        if unit.start in live.held or (not unit.whole and self._reaches(scores)):
            live.held[unit.start] = unit

    def _note(self, decision: Order | Flag) -> None:
        live = self._live.get(decision.stream)
        if live is None or live.over:
            return
        if decision.reason == "detector_failed":
            raise UnavailableError(
                f"row {live.played.row.line}: the model gave no scores for a text that must not pass without"
            )
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
