"""The controls topic as its records say: pieces and activations in any order, and records that nobody should write."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract import controls, encode
from sluice.contract.controls import (
    BadActivation,
    ControlsView,
    LexiconActivation,
    LexiconRef,
    RefusedError,
    WorkerStatus,
    chunk_key,
    join,
    pieces,
    read_chunk_key,
    reference,
    status_key,
)
from sluice.contract.limits import LEXICON_CHUNK_BYTES, MAX_LEXICON_BYTES

VERSION = "0123456789ab"
BUNDLE = bytes(range(256)) * 5_000
REF = reference(BUNDLE, VERSION)
ACTIVATION = LexiconActivation(1, "a", REF, 1.5, "me")


def view_of(*records: tuple[bytes, bytes | None], keep_bytes: bool = True) -> ControlsView:
    view = ControlsView(keep_bytes=keep_bytes)
    for record in records:
        view.apply(*record)
    return view


def test_a_bundle_comes_back_from_its_pieces() -> None:
    assert REF.chunks == 3 and REF.size == len(BUNDLE)
    parts = list(pieces(BUNDLE, REF))
    assert max(len(value) for _, value in parts) <= LEXICON_CHUNK_BYTES
    view = view_of(*reversed(parts), (b"lexicon", encode(ACTIVATION)))
    assert view.wanted == ACTIVATION and view.unread == 0
    assert join(view.bundle(REF), REF) == BUNDLE
    assert view.bundles() == {REF.sha256: [0, 1, 2]}


@pytest.mark.parametrize("length", [1, LEXICON_CHUNK_BYTES - 1, LEXICON_CHUNK_BYTES, LEXICON_CHUNK_BYTES + 1])
def test_sizes_at_the_edge_of_a_piece(length: int) -> None:
    bundle = b"x" * length
    ref = reference(bundle, VERSION)
    assert join(view_of(*pieces(bundle, ref)).bundle(ref), ref) == bundle


@pytest.mark.parametrize("bundle", [b"", b"x" * (MAX_LEXICON_BYTES + 1)], ids=["empty", "too large"])
def test_a_bundle_that_is_too_small_or_too_large(bundle: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        reference(bundle, VERSION)


def test_pieces_that_are_missing_changed_or_deleted() -> None:
    parts = list(pieces(BUNDLE, REF))
    with pytest.raises(RefusedError, match=r"^chunks: 1 of 3 "):
        view_of(*parts[:1], *parts[2:]).bundle(REF)
    with pytest.raises(RefusedError, match=r"^chunks: 1 of 3 "):
        view_of(*parts, (parts[1][0], None)).bundle(REF)
    with pytest.raises(RefusedError, match=r"^chunks: 3 of 3 "):
        view_of(*parts, *((key, None) for key, _ in parts)).bundle(REF)
    with pytest.raises(RefusedError, match=r"^size: "):
        join(view_of(*parts, (parts[2][0], b"short")).bundle(REF), REF)
    with pytest.raises(RefusedError, match=r"^sha256: "):
        join(view_of(*parts, (parts[0][0], parts[0][1][::-1])).bundle(REF), REF)


def test_the_last_activation_holds_and_can_be_deleted() -> None:
    other = msgspec.structs.replace(ACTIVATION, id="b")
    assert view_of((b"lexicon", encode(ACTIVATION)), (b"lexicon", encode(other))).wanted == other
    assert view_of((b"lexicon", encode(ACTIVATION)), (b"lexicon", None)).wanted is None


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff",
        b"[" * 5_000,
        b"{}",
        encode(WorkerStatus(1, "s", "active", VERSION, 1.0)),
        encode(msgspec.structs.replace(ACTIVATION, v=2)),
        encode(ACTIVATION).replace(VERSION.encode(), b"../../etc/pw"),
        encode(ACTIVATION).replace(VERSION.encode(), VERSION.encode() + rb"\n"),
        encode(ACTIVATION).replace(REF.sha256.encode(), REF.sha256.encode() + rb"\n"),
        encode(ACTIVATION).replace(b'"chunks":3', b'"chunks":3000000000'),
        encode(ACTIVATION).replace(b'"chunks":3', b'"chunks":0'),
        encode(ACTIVATION).replace(f'"size":{REF.size}'.encode(), b'"size":-1'),
        encode(ACTIVATION).replace(b'"id":"a"', b'"id":""'),
    ],
)
def test_an_activation_that_cannot_be_read_is_known_as_one(record: bytes) -> None:
    view = view_of((b"lexicon", encode(ACTIVATION)), (b"lexicon", record))
    assert isinstance(view.wanted, BadActivation) and view.wanted.reason.startswith("unreadable: ")
    again = view_of((b"lexicon", record))
    assert again.wanted == view.wanted


def test_statuses_by_slot_and_what_is_none() -> None:
    status = WorkerStatus(1, "app-0", "refused", VERSION, 1.0, REF, "a", "sha256: no")
    view = view_of((status_key("app-0"), encode(status)))
    assert view.statuses == {"app-0": status} and view.unread == 0
    view.apply(status_key("app-1"), encode(status))  # in another's name
    view.apply(status_key("app-0"), encode(msgspec.structs.replace(status, v=2)))
    view.apply(status_key("app-0"), b"nonsense")
    assert view.statuses == {"app-0": status} and view.unread == 3
    view.apply(status_key("app-0"), None)
    assert view.statuses == {}


@pytest.mark.parametrize(
    "key", [b"", b"lexicon/", b"lexicon/x/1", b"lexicon/" + b"a" * 64, b"lexicon/" + b"a" * 64 + b"/-1", b"other"]
)
def test_keys_of_nothing_known_are_counted(key: bytes) -> None:
    view = view_of((key, b"value"))
    assert view.unread == 1 and view.bundles() == {}


def test_a_key_says_which_piece_it_is() -> None:
    assert read_chunk_key(chunk_key(REF.sha256, 7)) == (REF.sha256, 7)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_MAX_KEPT", 3 * LEXICON_CHUNK_BYTES)
    view = ControlsView()
    piece = b"x" * LEXICON_CHUNK_BYTES
    for number in range(20):
        view.apply(chunk_key(f"{number:064d}", 0), piece)
    assert list(view.bundles()) == [f"{number:064d}" for number in (17, 18, 19)]
    view.apply(chunk_key("0" * 64, 1 << 29), piece)
    view.apply(chunk_key("0" * 64, 0), piece + b"x")
    assert view.unread == 2 and "0" * 64 not in view.bundles()
    for number in (17, 18, 19):
        view.forget(f"{number:064d}")
    for number in range(3):  # what was forgotten makes room again
        view.apply(chunk_key("f" * 64, number), piece)
    assert view.bundles() == {"f" * 64: [0, 1, 2]}


@given(st.lists(st.tuples(st.none() | st.binary(max_size=80), st.none() | st.binary(max_size=80))))
def test_no_record_raises(records: list[tuple[bytes | None, bytes | None]]) -> None:
    view = ControlsView()
    for record in records:
        view.apply(*record)


def test_a_reference_survives_the_wire() -> None:
    assert msgspec.json.decode(encode(REF), type=LexiconRef) == REF
