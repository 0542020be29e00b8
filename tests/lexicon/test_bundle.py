"""A bundle is the content, whole and unchanged, or it is refused with a reason."""

from __future__ import annotations

import gzip
import json
import pickle
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_lexicons import contents

from sluice import shipped
from sluice.errors import LexiconError
from sluice.lexicon import Lexicon
from sluice.lexicon.bundle import MAX_BUNDLE_BYTES, decode_bundle, encode_bundle, read_lexicon, version_of
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings
from sluice.lexicon.term import Term

CONTENT = Content(LexiconSettings(), (Term("冰毒", "A.1.h", 2, "drugs", allow=("冰毒检测",)),), ("大麻烦",))


@given(contents())
def test_round_trip(content: Content) -> None:
    data = encode_bundle(content)
    assert decode_bundle(data) == content
    assert encode_bundle(content) == data


@given(contents(), st.randoms())
def test_the_version_is_independent_of_order_and_notes(content: Content, random: Any) -> None:
    terms = [msgspec.structs.replace(t, note="", reviewer="x", source="y", added=None) for t in content.terms]
    random.shuffle(terms)
    harmless = [*content.harmless]
    random.shuffle(harmless)
    renamed = msgspec.structs.replace(content.settings, name="other", lists=())
    assert version_of(Content(renamed, tuple(terms), tuple(harmless))) == version_of(content)


@given(contents(), st.data())
def test_the_version_depends_on_what_is_found(content: Content, data: st.DataObject) -> None:
    if not content.terms:
        return
    at = data.draw(st.integers(0, len(content.terms) - 1))
    term = content.terms[at]
    other = data.draw(
        st.sampled_from(
            [
                msgspec.structs.replace(term, severity=term.severity % 3 + 1),
                msgspec.structs.replace(term, text=term.text + "x", allow=()),
                msgspec.structs.replace(term, word=not term.word),
                msgspec.structs.replace(term, category="another"),
                msgspec.structs.replace(term, risk="A.3.e"),
            ]
        )
    )
    terms = (*content.terms[:at], other, *content.terms[at + 1 :])
    assert version_of(msgspec.structs.replace(content, terms=terms)) != version_of(content)


def test_a_worker_loads_it_like_the_directory(tmp_path: Path) -> None:
    directory = shipped.lexicon_directory()
    file = tmp_path / "starter.bundle"
    file.write_bytes(encode_bundle(read_lexicon(directory)))
    assert Lexicon.load(file).version == Lexicon.load(directory).version
    assert Lexicon.load(file).terms == Lexicon.load(directory).terms


def altered(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(gzip.decompress(encode_bundle(CONTENT)))
    change(document)
    return gzip.compress(json.dumps(document).encode())


def set_term(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["content"]["terms"][0].update(fields)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_term(severity=3), "not that of version"),
        (set_term(severity=9), "unknown risk or severity"),
        (set_term(risk="A.9.z"), "unknown risk or severity"),
        (set_term(text="毒"), "at least two characters"),
        (set_term(text="毒" * 65), "the limit is 64"),
        (set_term(allow=["冰毒"]), "not a longer text"),
        (set_term(allow=["冰毒" + "x" * i for i in range(1, 80)]), "allowed contexts, the limit is 64"),
        (set_term(note="x" * 501), "note is longer"),
        (set_term(boundary="often"), "Invalid enum value 'often'"),
        (set_term(channels=["exact", "guess"]), "Invalid enum value 'guess'"),
        (set_term(severity="2"), "Expected `int`"),
        (set_term(run="os.system"), None),
        (lambda d: d["content"].update(harmless=[""]), "empty after folding"),
        (lambda d: d["content"].update(harmless=["x" * 65]), "the limit is 64"),
        (lambda d: d.update(format="sluice-lexicon-9"), "this version reads 'sluice-lexicon-1'"),
        (lambda d: d.update(fold="fold-0"), "made for folding 'fold-0'"),
        (lambda d: d.update(version="000000000000"), "not that of version '000000000000'"),
        (lambda d: d.update(more=1), "unknown field `more`"),
        (lambda d: d.pop("content"), "missing required field `content`"),
    ],
)
def test_a_bundle_that_was_tampered_with(change: Callable[[dict[str, Any]], None], said: str | None) -> None:
    if said is None:  # a field that no version knows is ignored, and does nothing
        assert decode_bundle(altered(change)) == CONTENT
        return
    with pytest.raises(LexiconError) as caught:
        decode_bundle(altered(change), "x.bundle")
    assert str(caught.value).startswith("x.bundle: ") and said in str(caught.value)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_byte_is_noticed_or_changes_nothing(at: int, bits: int) -> None:
    data = bytearray(encode_bundle(CONTENT))
    data[at % len(data)] ^= bits
    with suppress(LexiconError):
        assert decode_bundle(bytes(data)) == CONTENT  # e.g. a byte of the header that says which system made it


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for given_bytes in (data, gzip.compress(data)):
        with pytest.raises(LexiconError):
            decode_bundle(given_bytes)


def test_what_is_no_bundle() -> None:
    good = encode_bundle(CONTENT)
    for data, said in [
        (b"", "damaged"),
        (good[:-1], "damaged"),
        (good + b"x", "damaged"),
        (good + good, "damaged"),
        (gzip.decompress(good), "not a lexicon bundle"),
        (zlib.compress(gzip.decompress(good)), "not a lexicon bundle"),
        (pickle.dumps(CONTENT), "not a lexicon bundle"),
        (gzip.compress(pickle.dumps({"format": "sluice-lexicon-1"})), "not a lexicon bundle"),
        (gzip.compress(b"[" * 100_000), "not a lexicon bundle"),
        (gzip.compress(b'"\\ud800"'), "not a lexicon bundle"),
    ]:
        with pytest.raises(LexiconError, match=f"^x: {said}"):
            decode_bundle(data, "x")


def test_a_zip_bomb_stops_at_the_limit() -> None:
    squeeze = zlib.compressobj(9, wbits=31)
    block = b" " * (1 << 20)
    bomb = b"".join(squeeze.compress(block) for _ in range((MAX_BUNDLE_BYTES >> 20) + 2)) + squeeze.flush()
    assert len(bomb) < 1 << 20
    with pytest.raises(LexiconError, match="larger than 256 MiB"):
        decode_bundle(bomb)


def test_a_file_that_is_not_there_or_not_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "x\0y"):
        with pytest.raises(LexiconError):
            read_lexicon(path)
