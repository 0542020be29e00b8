"""What the lexicon benchmark reads: ordinary text, made-up terms, and many streams of deltas."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from matchers import Hit
from sluice import shipped
from sluice.lexicon import Term
from sluice.lexicon.bundle import read_lexicon
from sluice.text.fold import fold_text

__all__ = ["Load", "Terms", "clean_lines", "load", "make_terms", "own_lines", "starter_terms", "whole_text_hits"]

_SHORTEST, _LONGEST = 2, 6
_HAN = range(0x4E00, 0xA000)
_BMP = "\uffff"


def own_lines(folder: Path) -> list[str]:
    """The project's own harmless Chinese training texts."""
    lines = []
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            lines += [row["text"] for row in rows if row["label"] == "benign" and row["lang"] == "zh"]
    if not lines:
        raise SystemExit(f"{folder}: no harmless Chinese texts here")
    return lines


@dataclass(frozen=True, slots=True)
class Terms:
    """A lexicon of the benchmark."""

    terms: tuple[Term, ...]
    folded: tuple[str, ...]
    """Of each term; no two are the same."""
    starter: int
    """So many of them, the first ones, are from the starter lexicon."""

    @property
    def longest(self) -> int:
        return max(map(len, self.folded))


def starter_terms() -> list[Term]:
    """The starter lexicon's terms, one for each folded form."""
    found: dict[str, Term] = {}
    for term in read_lexicon(shipped.lexicon_directory()).terms:
        found.setdefault(term.folded, term)
    return list(found.values())


def clean_lines(lines: Iterable[str]) -> list[str]:
    """The lines that hold no term of the starter lexicon, and no character above U+FFFF.

    pyahocorasick 2.3.1 on plain text crashes on one when its iterator carries the state from another text.
    """
    heads, by_length = _index({term.folded: 0 for term in starter_terms()})
    return [line for line in lines if line and max(line) <= _BMP and not _hits(fold_text(line), heads, by_length)]


def make_terms(count: int, lines: Sequence[str], *, seed: int, starter: bool = True) -> Terms:
    """So many terms: from the starter lexicon at most half of them, the others made up.

    A made-up term is 2 to 6 characters drawn by how often the lines have them, and none stands in the lines: what is
    found in them was planted. With the same seed a smaller lexicon is part of a larger one.
    """
    rng = random.Random(seed)
    known = starter_terms() if starter else []
    rng.shuffle(known)
    known = known[: count // 2]
    taken = {term.folded for term in starter_terms()}
    for line in lines:
        taken.update(line[at : at + n] for n in range(_SHORTEST, _LONGEST + 1) for at in range(len(line) - n + 1))
    often = Counter(char for line in lines for char in line if ord(char) in _HAN and fold_text(char) == char)
    chars = sorted(often)
    weights = list(accumulate(often[char] for char in chars))
    made: list[str] = []
    draws = random.Random(seed + 1)
    while len(made) < count - len(known):
        term = "".join(draws.choices(chars, cum_weights=weights, k=draws.randint(_SHORTEST, _LONGEST)))
        if term not in taken:
            taken.add(term)
            made.append(term)
    # As an operator's plain list is read.
    terms = [*known, *(Term(t, "A.1.h", 2, "made", boundary="lower" if len(t) == 2 else "") for t in made)]
    return Terms(tuple(terms), tuple(term.folded for term in terms), len(known))


@dataclass(frozen=True, slots=True)
class Load:
    """Many streams, each cut into deltas of the same size; all of them go forward together."""

    streams: tuple[str, ...]
    rounds: tuple[tuple[tuple[str, ...], bool], ...]
    """The next delta of every stream, and whether it is the last."""
    planted: int

    @property
    def deltas(self) -> int:
        return len(self.streams) * len(self.rounds)

    @property
    def chars(self) -> int:
        return sum(map(len, self.streams))


def load(
    lines: Sequence[str], size: int, *, streams: int, deltas: int, plant: Terms | None, rate: float, seed: int
) -> Load:
    """Streams of `deltas` deltas of `size` characters: lines in a row, with terms put in at `rate` per character."""
    rng = random.Random(seed * 1_000 + size)
    texts, planted = [], 0
    for _ in range(streams):
        parts: list[str] = []
        length = 0
        while length < size * deltas:
            line = rng.choice(lines)
            if plant is not None and rng.random() < rate * len(line):
                at = rng.randrange(len(line) + 1)
                line = line[:at] + rng.choice(plant.folded) + line[at:]
                planted += 1
            parts.append(line + "\n")
            length += len(line) + 1
        texts.append("".join(parts)[: size * deltas])
    rounds = tuple((tuple(text[n * size : (n + 1) * size] for text in texts), n == deltas - 1) for n in range(deltas))
    return Load(tuple(texts), rounds, planted)


def whole_text_hits(texts: Iterable[str], terms: Sequence[str]) -> list[list[Hit]]:
    """What there is to find in each text, by looking at every place in it: what the matchers are held against."""
    heads, by_length = _index({term: number for number, term in enumerate(terms)})
    return [_hits(text, heads, by_length) for text in texts]


def _index(terms: dict[str, int]) -> tuple[dict[str, list[int]], dict[str, int]]:
    heads: dict[str, set[int]] = {}
    for term in terms:
        heads.setdefault(term[:_SHORTEST], set()).add(len(term))
    return {head: sorted(lengths) for head, lengths in heads.items()}, terms


def _hits(text: str, heads: dict[str, list[int]], terms: dict[str, int]) -> list[Hit]:
    found = []
    for at in range(len(text) - 1):
        for length in heads.get(text[at : at + _SHORTEST], ()):
            number = terms.get(text[at : at + length])
            if number is not None and at + length <= len(text):
                found.append((at, at + length, number))
    return sorted(found)
