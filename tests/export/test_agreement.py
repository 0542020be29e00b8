"""When an exported model is the checkpoint's, and when it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sluice.errors import ModelError
from sluice.export.agreement import MAX_ERROR, MAX_INT8_DRIFT, MAX_INT8_MEAN_DRIFT, agreement, check_agreement
from sluice.export.samples import sample_texts

SCORES = arrays(np.float32, (4, 3), elements=st.floats(0, 1, width=32))


@given(SCORES, SCORES)
def test_it_is_the_same_from_both_sides_and_nothing_with_itself(one: np.ndarray, other: np.ndarray) -> None:
    there, back = agreement(one, other), agreement(other, one)
    assert there == back and there.mean <= there.largest
    assert (agreement(one, one).largest, agreement(one, one).mean) == (0, 0)
    check_agreement(agreement(one, one), "fp32")


def apart(by: float, everywhere: bool = False) -> tuple[np.ndarray, np.ndarray]:
    expected = np.full((10, 2), 0.5, dtype=np.float32)
    found = expected.copy()
    if everywhere:
        found += np.float32(by)
    else:
        found[6, 1] += np.float32(by)
    return expected, found


@pytest.mark.parametrize(
    ("precision", "by", "everywhere", "words"),
    [
        ("fp32", 2 * MAX_ERROR, False, "sample 7"),
        ("int8", 1.1 * MAX_INT8_DRIFT, False, "sample 7"),
        ("int8", 1.1 * MAX_INT8_MEAN_DRIFT, True, "without --int8"),
        ("fp32", float("nan"), False, "inf"),
        ("int8", float("nan"), False, "inf"),
    ],
)
def test_too_far_is_refused(precision: str, by: float, everywhere: bool, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_agreement(agreement(*apart(by, everywhere)), precision)


def test_near_enough_is_not() -> None:
    check_agreement(agreement(*apart(MAX_ERROR / 2, True)), "fp32")
    check_agreement(agreement(*apart(0.9 * MAX_INT8_DRIFT)), "int8")


def test_the_samples_are_of_many_kinds() -> None:
    texts = sample_texts()
    assert len(set(texts)) == len(texts) >= 30
    assert min(map(len, texts)) == 1 and max(map(len, texts)) > 200
    assert any(text.isascii() for text in texts) and any("👩" in text for text in texts)
