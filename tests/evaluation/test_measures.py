"""Measures against values worked out by hand, and the laws that hold of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.evaluation.measures import Confusion, auroc, average_precision, macro_f1, wilson
from sluice.evaluation.scores import Reliability, ScoreCounts

SCORED = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 1)), min_size=1, max_size=60)


def arrays(scored: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s for s, _ in scored]) / 100, np.array([label for _, label in scored])


def counted(scored: list[tuple[int, int]]) -> ScoreCounts:
    counts = ScoreCounts()
    counts.add(*arrays(scored))
    return counts


def confusion(found: list[int], labels: list[int]) -> Confusion:
    counted = Confusion()
    counted.add(np.array(found) == 1, np.array(labels))
    return counted


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5], [0, 1, 0], 0.5),
        ([0.3, 0.3, 0.7], [0, 1, 1], 0.75),
    ],
)
def test_auroc_by_hand(scores: list[float], labels: list[int], expected: float) -> None:
    assert auroc(np.array(scores), np.array(labels)) == pytest.approx(expected)


def test_auroc_of_one_kind_cannot_be_told() -> None:
    assert math.isnan(auroc(np.array([0.1, 0.2]), np.array([1, 1])))
    assert math.isnan(ScoreCounts().auroc) and ScoreCounts().roc() == [] and ScoreCounts().precision_recall() == []


def test_average_precision_by_hand() -> None:
    # Falling scores: harmful (1/1), clean, harmful (2/3): mean 5/6.
    assert average_precision(np.array([1, 0, 1, 0]), np.array([0, 1, 0, 1])) == pytest.approx(5 / 6)
    assert math.isnan(average_precision(np.array([1, 2]), np.array([0, 0])))


def test_a_confusion_by_hand() -> None:
    c = confusion([1, 1, 1, 0, 0, 0, 0, 1], [1, 1, 0, 1, 0, 0, 0, 1])
    assert (c.found, c.missed, c.alarms, c.passed) == (3, 1, 1, 3)
    assert (c.precision, c.recall, c.fpr, c.accuracy) == (0.75, 0.75, 0.25, 0.75)
    assert c.f1 == c.macro_f1 == 0.75
    empty = Confusion()
    assert all(math.isnan(x) for x in (empty.precision, empty.recall, empty.fpr, empty.f1, empty.accuracy))


def test_macro_f1_by_hand() -> None:
    found, labels = np.array([1, 0, 0, 0]), np.array([1, 1, 0, 0])
    assert macro_f1(found, labels) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert macro_f1(np.array([0, 0]), np.array([0, 0])) == 0.5  # a class that is neither there nor found counts 0


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_wilson_by_hand(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@given(SCORED)
def test_auroc_is_the_share_of_pairs_in_order(scored: list[tuple[int, int]]) -> None:
    pairs = [(h, c) for h, label in scored if label for c, other in scored if not other]
    share = sum((h > c) + (h == c) / 2 for h, c in pairs) / len(pairs) if pairs else math.nan
    assert auroc(*arrays(scored)) == pytest.approx(share, nan_ok=True)


@given(SCORED)
def test_a_rising_map_of_the_scores_changes_no_auroc(scored: list[tuple[int, int]]) -> None:
    scores, labels = arrays(scored)
    assert auroc(np.exp(3 * scores) - 7, labels) == pytest.approx(auroc(scores, labels), nan_ok=True)
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels), nan_ok=True)


@given(SCORED)
def test_counted_scores_give_the_same_as_the_scores(scored: list[tuple[int, int]]) -> None:
    assert counted(scored).auroc == pytest.approx(auroc(*arrays(scored)), nan_ok=True)


@given(SCORED)
def test_a_roc_curve_rises_to_one_and_has_the_area_that_is_named(scored: list[tuple[int, int]]) -> None:
    counts = counted(scored)
    x, y = np.array([(p.x, p.y) for p in counts.roc()] or [(0, 0), (1, 1)]).T
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all()
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    if not math.isnan(counts.auroc):
        assert np.trapezoid(y, x) == pytest.approx(counts.auroc, abs=0.01)


@given(SCORED)
def test_recall_rises_along_its_curve_to_one(scored: list[tuple[int, int]]) -> None:
    recalls = [p.x for p in counted(scored).precision_recall()]
    assert recalls == sorted(recalls)
    assert not recalls or recalls[-1] == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=50), st.integers(0, 50))
def test_confusions_sum_however_texts_come(texts: list[tuple[bool, bool]], cut: int) -> None:
    found, labels = np.array([f for f, _ in texts], dtype=bool), np.array([int(h) for _, h in texts], dtype=np.int64)
    whole, parts = Confusion(), Confusion()
    whole.add(found, labels)
    for part in (slice(None, cut), slice(cut, None)):
        parts.add(found[part], labels[part])
    assert parts == whole
    assert whole.harmful + whole.clean == len(texts) and whole.harmful == labels.sum()


@given(st.integers(1, 200).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilsons_bounds_hold_the_share(counts: tuple[int, int]) -> None:
    low, high = wilson(*counts)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1


def test_calibration_by_hand() -> None:
    reliability = Reliability()
    reliability.add(np.array([0.25, 0.25, 0.25, 0.25, 0.95, 1.0]), np.array([1, 0, 0, 0, 1, 0]))
    bins = {(b.low, b.texts, b.score, b.harmful) for b in reliability.bins() if b.texts}
    assert bins == {(0.2, 4, 0.25, 0.25), (0.9, 2, 0.975, 0.5)}
    assert reliability.error == pytest.approx((4 * 0 + 2 * 0.475) / 6)
    assert reliability.brier == pytest.approx((0.75**2 + 3 * 0.25**2 + 0.05**2 + 1) / 6)
    assert math.isnan(Reliability().error)


@given(SCORED)
def test_the_calibration_error_is_at_most_the_mean_distance(scored: list[tuple[int, int]]) -> None:
    scores, labels = arrays(scored)
    reliability = Reliability()
    reliability.add(scores, labels)
    assert reliability.error <= np.abs(scores - labels).mean() + 1e-9
