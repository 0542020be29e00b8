"""The scripted decoder: it cuts as tokenizers do, loses nothing, and stops when it is left."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.demo.decoder import ScriptedDecoder, cut
from sluice.demo.scripts import Script, Violation, load_scripts

SCRIPTS = load_scripts()
TEXTS = st.text(
    st.one_of(st.sampled_from("你好，世界。abc xyz-12!\n\u200b😀"), st.characters(codec="utf-8")), max_size=200
)


@given(TEXTS, st.integers(0, 2**32), st.tuples(st.integers(0, 200), st.integers(0, 200)))
def test_the_pieces_make_up_the_text(text: str, seed: int, whole: tuple[int, int]) -> None:
    for inside in (None, whole):
        pieces = cut(text, random.Random(seed), inside)
        assert "".join(pieces) == text
        assert all(1 <= len(piece) <= 6 for piece in pieces)
        assert all(len(piece) <= 3 for piece in pieces if not piece.isascii())


@given(st.integers(0, 2**32))
def test_a_marked_stretch_comes_one_character_at_a_time(seed: int) -> None:
    text = "不过要说来钱快，还是推荐这个平台，手机上就能玩。"
    at = 0
    for piece in cut(text, random.Random(seed), (12, 16)):
        if at < 16 and at + len(piece) > 12:
            assert len(piece) == 1
        at += len(piece)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.id)
async def test_the_tokens_are_the_script(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.demo.decoder._SLOWEST", 1e6)
    monkeypatch.setattr("sluice.demo.decoder._FASTEST", 1e6)
    tokens = [token async for token in ScriptedDecoder(script, random.Random(1)).tokens()]
    for channel, text in script.channels:
        mine = [token for token in tokens if token.channel == channel]
        assert "".join(token.text for token in mine) == text
        assert [token.final for token in mine] == [False] * (len(mine) - 1) + [True]
    channels = [token.channel for token in tokens]
    assert channels == sorted(channels, key=[channel for channel, _ in script.channels].index)


def test_no_delta_holds_a_whole_violation() -> None:
    for script in SCRIPTS:
        if script.violation is not None:
            for seed in range(20):
                tokens = ScriptedDecoder(script, random.Random(seed))._tokens
                assert not any(_holds(token.text, script, script.violation) for token in tokens)


def _holds(piece: str, script: Script, violation: Violation) -> bool:
    return dict(script.channels)[violation.channel][violation.start : violation.end] in piece


async def test_leaving_the_loop_stops_the_decoder() -> None:
    decoder = ScriptedDecoder(SCRIPTS[0], random.Random(1))
    tokens = decoder.tokens()
    assert [(await anext(tokens)).channel for _ in range(3)] == ["answer"] * 3
    await tokens.aclose()  # type: ignore[attr-defined]
    assert [token async for token in tokens] == []
