"""What the classifier benchmark reads: streams of sentences of which few are risky, whole and cut into deltas."""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from sluice.demo.scripts import load_scripts
from sluice.moderation.detector import Passage
from sluice.moderation.units import context_of
from sluice.policy.profile import Profile
from sluice.text.units import UnitCutter

# How training splits the texts is said in one place.
sys.path.append(str(Path(__file__).resolve().parents[1] / "models"))
from data import Example, own_texts

__all__ = ["KINDS", "Frame", "Kind", "Mix", "Pools", "own_pools", "sentences"]

Kind = Literal["ordinary", "near miss", "harmful"]
KINDS: tuple[Kind, ...] = ("ordinary", "near miss", "harmful")

_SHORTEST, _LONGEST = 3, 7
"""Characters of a delta: one to a few tokens."""
_MARKS = 4
"""Stretches below so many characters are what a quotation mark leaves of a sentence."""

Pools = dict[Kind, list[str]]


def sentences(text: str) -> list[str]:
    """A text in units, as workers cut it under the default profile."""
    ends = UnitCutter(Profile("default").unit_chars).cut(text)
    bounds = [0, *ends, len(text)]
    found = (text[start:end] for start, end in pairwise(bounds))
    return [sentence for sentence in found if len(sentence) >= _MARKS]


def own_pools(folder: Path) -> Pools:
    """Sentences of the project's own texts that training keeps apart, and of the demo's clean answers.

    Ordinary are those of texts marked as neutral or written for no head, and of the demo; the others were written for
    a head, to violate or nearly.

    Raises:
        SystemExit: there are none of a kind.
    """
    apart = own_texts(folder, "test")
    neutral = set()
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            neutral |= {row["text"] for row in rows if row["directness"] == "neutral"}

    def ordinary(example: Example) -> bool:
        return example.text in neutral or (example.kind == "contrast" and not example.written_for)

    answers = [text for script in load_scripts() if script.expect is None for _, text in script.channels]
    texts: dict[Kind, list[str]] = {
        "ordinary": [*(example.text for example in apart if ordinary(example)), *answers],
        "near miss": [example.text for example in apart if example.kind == "contrast" and not ordinary(example)],
        "harmful": [example.text for example in apart if example.kind == "harm"],
    }
    pools: Pools = {kind: [sentence for text in texts[kind] for sentence in sentences(text)] for kind in KINDS}
    for kind, pool in pools.items():
        if not pool:
            raise SystemExit(f"{folder}: no {kind} texts here that training keeps apart")
    return pools


@dataclass(frozen=True, slots=True)
class Frame:
    """Deltas that are ready at one moment, each of another stream; one that goes over the end of a sentence is two
    pieces."""

    deltas: int
    sentences: tuple[int, ...]
    """Of each piece, the number of the sentence that it belongs to."""
    pieces: tuple[str, ...]
    ended: tuple[int, ...]
    """Places of the pieces with which a sentence is whole."""


class Mix:
    """Streams that go forward together, each of some sentences in a row."""

    def __init__(self, pools: Pools, *, streams: int, sentences: int, risky: float, seed: int) -> None:
        """Draw them.

        Args:
            pools: to draw from, each sentence as often as it comes.
            streams: how many.
            sentences: of each stream.
            risky: share of the sentences that are not ordinary, near misses and harmful ones in turn; at least one of
                each.
            seed: of the drawing.
        """
        rng = random.Random(seed)
        count = streams * sentences
        odd = max(2, round(risky * count))
        kinds: list[Kind] = [KINDS[1 + number % 2] if number < odd else "ordinary" for number in range(count)]
        rng.shuffle(kinds)
        self.kinds = tuple(kinds)
        """Of each sentence; those of the first stream come first."""
        texts = [rng.choice(pools[kind]) for kind in kinds]
        self._streams = [texts[at : at + sentences] for at in range(0, count, sentences)]
        self.passages = tuple(
            Passage(text, "".join(context_of(stream[:at])))
            for stream in self._streams
            for at, text in enumerate(stream)
        )
        """Of each sentence."""
        self.characters = sum(map(len, texts))
        self._seed = seed

    def frames(self, size: int) -> list[Frame]:
        """All streams in frames of `size` deltas, a delta of every stream before the next of any.

        A frame is smaller only towards the end, when fewer streams than that are left.
        """
        rng = random.Random(self._seed + 1)
        number = 0
        waiting = []
        for stream in self._streams:
            waiting.append(list(_deltas(stream, number, rng)))
            number += len(stream)
        frames: list[Frame] = []
        ready: list[_Delta] = []
        for turn in range(max(map(len, waiting))):
            round_ = [stream[turn] for stream in waiting if turn < len(stream)]
            if len(round_) < size:  # a frame over the end of the round before would have a stream twice
                frames += _cut(ready, size)
                ready = []
            ready += round_
            whole = len(ready) - len(ready) % size
            frames += _cut(ready[:whole], size)
            del ready[:whole]
        return [*frames, *_cut(ready, size)]

    def evenly(self, count: int) -> list[Passage]:
        """So many of the passages, or all, spread evenly over their lengths."""
        order = sorted(self.passages, key=lambda passage: len(passage.text))
        count = min(count, len(order))
        return [order[(2 * at + 1) * len(order) // (2 * count)] for at in range(count)]


_Delta = list[tuple[int, str, bool]]
"""Pieces: number of the sentence, text, whether the sentence is whole with it."""


def _deltas(stream: Sequence[str], first: int, rng: random.Random) -> Iterator[_Delta]:
    """A stream in deltas; `first` is the number of its first sentence."""
    delta: _Delta = []
    room = rng.randint(_SHORTEST, _LONGEST)
    for number, text in enumerate(stream, first):
        at = 0
        while at < len(text):
            piece = text[at : at + room]
            at += len(piece)
            room -= len(piece)
            delta.append((number, piece, at == len(text)))
            if room == 0:
                yield delta
                delta, room = [], rng.randint(_SHORTEST, _LONGEST)
    if delta:
        yield delta


def _cut(deltas: Sequence[_Delta], size: int) -> Iterator[Frame]:
    yield from (_frame(deltas[at : at + size]) for at in range(0, len(deltas), size))


def _frame(deltas: Sequence[_Delta]) -> Frame:
    pieces = [piece for delta in deltas for piece in delta]
    return Frame(
        len(deltas),
        tuple(number for number, _, _ in pieces),
        tuple(text for _, text, _ in pieces),
        tuple(place for place, (_, _, ends) in enumerate(pieces) if ends),
    )
