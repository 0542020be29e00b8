"""Stands for a language model: turns a script into tokens, at the speed and with the jitter of a real one."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator

import msgspec

from sluice.contract.frame import Channel
from sluice.demo.scripts import Script

__all__ = ["ScriptedDecoder", "Token", "cut"]

_LATIN = re.compile(r"[ -~]+")
_WORD = re.compile(r" ?[A-Za-z0-9]+| ?[!-~]| ")
_LONGEST_PIECE = 6

_SLOWEST, _FASTEST = 30.0, 60.0
"""Tokens a second."""
_HICCUP = 0.02
"""Share of the steps that take some times as long: in a server, the prompt of another request is read then."""
_CATCH_UP_SECONDS = 0.25
"""A decoder that fell behind by more, e.g. because this machine was busy, does not make up for it."""


class Token(msgspec.Struct, frozen=True):
    """What one step yields."""

    channel: Channel
    text: str
    final: bool
    """The last one of its channel."""


def cut(text: str, rng: random.Random, whole: tuple[int, int] | None = None) -> list[str]:
    """Cut a text as tokenizers do: one to three Chinese characters, pieces of Latin words.

    `whole`: a stretch that is cut into single characters, whatever it is.
    """
    pieces = []
    at = 0
    while at < len(text):
        size = _piece(text, at, rng)
        if whole is not None:
            if whole[0] <= at < whole[1]:
                size = 1
            elif at < whole[0]:
                size = min(size, whole[0] - at)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def _piece(text: str, at: int, rng: random.Random) -> int:
    word = _WORD.match(text, at)
    if word is None:
        size = rng.choices((1, 2, 3), (6, 3, 1))[0]
        latin = _LATIN.search(text, at, at + size)
        return min(len(text), latin.start() if latin else at + size) - at
    length = word.end() - at
    return length if length <= _LONGEST_PIECE else rng.randint(2, _LONGEST_PIECE - 1)


class ScriptedDecoder:
    """Decodes a script, one token a step. It takes no step that nobody asks for, so leaving the loop stops it."""

    def __init__(self, script: Script, rng: random.Random) -> None:
        self._rng = rng
        self._rate = rng.uniform(_SLOWEST, _FASTEST)
        self._tokens: list[Token] = []
        violation = script.violation
        for channel, text in script.channels:
            inside = script.cut_inside and violation is not None and violation.channel == channel
            whole = (violation.start, violation.end) if inside and violation is not None else None
            pieces = cut(text, rng, whole)
            self._tokens += [Token(channel, piece, n == len(pieces) - 1) for n, piece in enumerate(pieces)]

    async def tokens(self) -> AsyncIterator[Token]:
        """The tokens, each after the time that its step takes."""
        clock = asyncio.get_running_loop().time
        due = clock()
        for token in self._tokens:
            due = max(due + self._step_seconds(), clock() - _CATCH_UP_SECONDS)
            await asyncio.sleep(due - clock())
            yield token

    def _step_seconds(self) -> float:
        seconds = self._rng.lognormvariate(0.0, 0.25) / self._rate
        return seconds * self._rng.uniform(3, 6) if self._rng.random() < _HICCUP else seconds
