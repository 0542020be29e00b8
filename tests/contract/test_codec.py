"""Reading frames: what is good is read, what is bad is named, and neither costs the other."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract import BadFrameError, Delta, Frame, Limits, encode, read_decision, read_frame

LIMITS = Limits(delta_chars=50, frame_bytes=5_000, frame_deltas=10)


def raw(*deltas: Any, **fields: Any) -> bytes:
    return json.dumps({"v": 1, "producer": "p", "deltas": list(deltas), **fields}).encode()


def good(**fields: Any) -> dict[str, Any]:
    return {"stream": "s", "seq": 0, "start": 0, "text": "好", **fields}


deltas = st.builds(
    Delta,
    stream=st.text(min_size=1, max_size=20).filter(lambda s: s.isprintable()),
    seq=st.integers(0, 1 << 40),
    start=st.integers(0, 1 << 40),
    text=st.text(max_size=50),
    channel=st.sampled_from(["answer", "reasoning", "tool_call", "prompt"]),
    final=st.booleans(),
)


@given(st.lists(deltas, max_size=10))
def test_what_is_written_is_read(items: list[Delta]) -> None:
    frame = Frame(1, "p", items, 1.5)
    read = read_frame(encode(frame), Limits())
    assert read.frame == frame and read.bad == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_frame(data, LIMITS)
    except BadFrameError as error:
        assert error.reason and str(error)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(json_values, max_size=5))
def test_bad_deltas_do_not_cost_the_good_ones(items: list[Any]) -> None:
    read = read_frame(raw(*items, good()), LIMITS)
    assert read.frame.deltas[-1].text == "好"
    assert len(read.frame.deltas) + len(read.bad) == len(items) + 1


def test_unknown_fields_are_ignored() -> None:
    assert len(read_frame(raw(good(new=1), later="x"), LIMITS).frame.deltas) == 1


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "not_json", "not JSON"),
        (b"[" * 100_000, "frame_too_large", "100000 bytes, the limit is 5000"),
        (b"[" * 4_000, "not_json", "not JSON"),
        (b'{"v":1,"producer":"p","deltas":[],"x":' + b"[" * 4_000 + b"]" * 900 + b"}", "not_json", "not JSON"),
        (b'"\xff"', "not_utf8", "byte 1"),
        (b"[]", "field", "expected an object"),
        (raw(v=2), "version", "version 2 cannot be read"),
        (raw(good(), v="1"), "field", "$.v"),
        (raw(good(), producer=""), "field", "$.producer"),
        (raw(good(), producer="a\ud800"), "surrogate", "$.producer"),
        (raw(good(), sent_at=float("nan")), "field", "$.sent_at"),
        (raw(good()).replace(b'"p"', b'"p","sent_at":1e999'), "field", "$.sent_at"),
        (json.dumps({"v": 1, "deltas": []}).encode(), "field", "producer"),
        (json.dumps({"v": 1, "producer": "p", "deltas": {}}).encode(), "field", "$.deltas"),
        (raw(*[good()] * 11), "too_many_deltas", "11, the limit is 10"),
    ],
)
def test_unreadable_frames(data: bytes, reason: str, detail: str) -> None:
    with pytest.raises(BadFrameError) as caught:
        read_frame(data, LIMITS)
    assert caught.value.reason == reason and detail in str(caught.value)


@pytest.mark.parametrize(
    ("item", "reason", "detail"),
    [
        (good(seq=-1), "field", "$.deltas[0]: Expected `int` >= 0 - at `$.seq`"),
        (good(text=None), "field", "$.text"),
        (good(channel="secret words"), "field", "Invalid value - at `$.channel`"),
        (good(stream=""), "field", "$.stream"),
        (good(stream="x" * 201), "field", "$.stream"),
        (good(text="a\ud800"), "surrogate", "lone surrogate"),
        (good(profile="\udfff"), "surrogate", "lone surrogate"),
        (good(channel="\udfff"), "surrogate", "lone surrogate"),
        ({**good(), "\ud800": 1, "seq": -1}, "field", "$.seq"),
        (good(stream="x" * 4_000), "field", "$.stream"),
        (good(text="x" * 51), "delta_too_long", "51 characters, the limit is 50"),
        ("words", "field", "$.deltas[0]"),
    ],
)
def test_bad_deltas(item: Any, reason: str, detail: str) -> None:
    (bad,) = read_frame(raw(item), LIMITS).bad
    assert bad.reason == reason and detail in bad.detail
    assert "words" not in bad.detail


def test_nul_is_a_character() -> None:
    assert read_frame(raw(good(text="a\x00b")), LIMITS).frame.deltas[0].text == "a\x00b"


def test_values_nested_too_deep_are_refused_and_crash_nothing() -> None:
    deep = b'{"v":1,"producer":"p","deltas":[],"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(BadFrameError, match="not JSON"):
        read_frame(deep, Limits())
    with pytest.raises(msgspec.DecodeError):
        read_decision(deep)
