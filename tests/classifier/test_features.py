"""The n-gram features: what they are, and the laws that streams will rely on."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.classifier.features import lookup, ngram_hashes

text = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40)
PINNED = ["9b9da856", "129081bb", "7f5a352e", "32f77cdc", "bbccac41", "bec384d1"]
plain = st.text(alphabet="天气很好abc 。", max_size=12)


def test_every_ngram_of_every_text_once() -> None:
    hashes, within, lengths = ngram_hashes(["天气很好", "好"], 1, 4)
    assert hashes.shape == within.shape == (5, 4)
    assert lengths.tolist() == [4, 1]
    assert within.sum(axis=1).tolist() == [4, 3, 2, 1, 1]
    assert hashes[3, 0] == hashes[4, 0]


def test_hashes_stay_what_models_were_trained_with() -> None:
    hashes, within, _ = ngram_hashes(["ab天"], 1, 3)
    assert [f"{value:08x}" for value in hashes[within]] == PINNED


def test_ngrams_do_not_cross_texts() -> None:
    apart, within_apart, _ = ngram_hashes(["天气", "很好"], 2, 4)
    together, within_together, _ = ngram_hashes(["天气很好"], 2, 4)
    assert set(apart[within_apart]) < set(together[within_together])


def test_order_matters() -> None:
    one, _, _ = ngram_hashes(["天气"], 2, 2)
    other, _, _ = ngram_hashes(["气天"], 2, 2)
    assert one[0, 0] != other[0, 0]


def test_nothing_at_all() -> None:
    vocabulary = np.zeros(16, dtype=np.uint32)
    for texts in ([], [""], ["", "\u200b", ""]):
        found = lookup(texts, vocabulary, 1, 4)
        assert found.slots.size == 0
        assert found.counts.tolist() == [0] * len(texts)


def test_only_owned_slots_are_features() -> None:
    hashes, _, _ = ngram_hashes(["天气很好"], 1, 2)
    vocabulary = np.zeros(1 << 12, dtype=np.uint32)
    owner = hashes[0, 1]
    vocabulary[owner & 0xFFF] = owner
    found = lookup(["天气天气", "很好", "天气"], vocabulary, 1, 2)
    assert found.counts.tolist() == [2, 0, 1]
    assert set(found.slots.tolist()) == {int(owner & 0xFFF)}


def test_hidden_characters_and_case_change_nothing() -> None:
    plain_hashes, _, _ = ngram_hashes(["abc天气"], 1, 4)
    hidden_hashes, _, _ = ngram_hashes(["ＡB\u200bc天*气"], 1, 4)
    assert np.array_equal(plain_hashes, hidden_hashes)


@settings(deadline=None)
@given(st.lists(text, max_size=6))
def test_a_batch_is_its_texts_one_after_another(texts: list[str]) -> None:
    hashes, within, lengths = ngram_hashes(texts, 1, 4)
    alone = [ngram_hashes([one], 1, 4) for one in texts]
    assert lengths.tolist() == [int(one[2][0]) for one in alone]
    assert hashes[within].tolist() == [value for one in alone for value in one[0][one[1]].tolist()]


@settings(deadline=None)
@given(plain, plain)
def test_features_of_a_whole_are_those_of_its_parts_and_of_the_cut(left: str, right: str) -> None:
    def count(texts: list[str]) -> dict[int, int]:
        hashes, within, _ = ngram_hashes(texts, 1, 4)
        values, counts = np.unique(hashes[within], return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))

    whole, parts = count([left + right]), count([left, right])
    spanning = sum(whole.values()) - sum(parts.values())
    assert all(whole.get(value, 0) >= number for value, number in parts.items())
    assert 0 <= spanning <= 6


@settings(deadline=None)
@given(plain, plain)
def test_what_a_piece_adds_after_its_tail_is_what_the_whole_has_more(left: str, right: str) -> None:
    def count(texts: list[str], tails: list[str] | None = None) -> Counter[int]:
        hashes, within, _ = ngram_hashes(texts, 1, 4, tails)
        return Counter(hashes[within].tolist())

    assert count([left + right]) - count([left]) == count([right], [left[-3:]])
    assert count([right, right], [left[-3:], ""]) == count([right], [left[-3:]]) + count([right])
