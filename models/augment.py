"""Other forms of a training text: disguised as people disguise, or with something harmless said before it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import rjieba

from data import Example
from disguise_kinds import KINDS, Kind

_SPLIT = re.compile(r"(?<=[。！？!?；;\n])")
_WORDS = [kind for kind in KINDS if kind.name not in ("as written", "case", "full-width", "newlines")]

DISGUISED = {"harm": 0.2, "contrast": 0.08, "neutral": 0.04}
"""Ordinary text is disguised too, more seldom: strange writing is not harm by itself."""
WORDS_AT_MOST = 3
PARTED = 0.5
"""Of the texts with several sentences: the last ones are judged, those before them are the context."""


class Augmenter:
    """Draws a form of each text, always the same for the same seed."""

    def __init__(
        self,
        before: Sequence[Sequence[str]],
        seed: int,
        *,
        preceded: float = 0.0,
        kinds: Sequence[Kind] = _WORDS,
    ) -> None:
        """Make one.

        Args:
            before: what may stand before a text, a list for each source; every source is drawn as often as the others.
            seed: of what is drawn.
            preceded: share of the texts without a context that get one.
            kinds: of disguise.
        """
        self._before = before
        self._preceded = preceded
        self._kinds = kinds
        self._rng = random.Random(seed)

    def form(self, example: Example) -> tuple[str, str]:
        """A context and a text to be judged with it."""
        context, text = example.context, example.text
        rng = self._rng
        if not context:
            parts = [part for part in _SPLIT.split(text) if part.strip()]
            if len(parts) > 1 and rng.random() < PARTED:
                at = rng.randrange(1, len(parts))
                context, text = "".join(parts[:at]), "".join(parts[at:])
            elif rng.random() < self._preceded:
                context = rng.choice(rng.choice(self._before))
        if rng.random() < DISGUISED[example.kind]:
            text = self.disguise(text)
        return context, text

    def disguise(self, text: str) -> str:
        """The text with a few of its words in one disguise."""
        words = rjieba.cut(text, False)
        places = [n for n, word in enumerate(words) if len(word) > 1 and word.isalnum()]
        kind = self._rng.choice(self._kinds)
        for place in self._rng.sample(places, min(len(places), self._rng.randint(1, WORDS_AT_MOST))):
            words[place] = kind.apply(words[place], self._rng) or words[place]
        return "".join(words)
