"""The shipped model of n-grams: what it promises beyond every scorer, and sentences that it must get right."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sluice.classifier.ngrams import WINDOW_CHARS, NgramModel
from sluice.moderation.detector import Passage
from sluice.text.fold import fold_text

CLEAN = "今天天气不错，我们去公园走走吧。"
SAME = 1e-5  # largest difference that company in a batch may make


def scored(ngrams: NgramModel, texts: Sequence[str]) -> NDArray[np.float32]:
    return ngrams.score([Passage(text) for text in texts])


def top(ngrams: NgramModel, text: str) -> float:
    return float(scored(ngrams, [text]).max())


def of(ngrams: NgramModel, head: str, text: str) -> float:
    names = [one.name for one in ngrams.heads]
    return float(scored(ngrams, [text])[0, names.index(head)])


def test_no_evidence_is_no_alarm(ngrams: NgramModel) -> None:
    empty = scored(ngrams, [""])
    assert empty.max() < 0.5
    for text in ("\u200b\u200d", "\U000f0000" * 5, "\n"):
        assert np.isfinite(scored(ngrams, [text])).all()
    assert np.array_equal(scored(ngrams, ["\u200b"]), empty)


def test_folding_first_changes_nothing(ngrams: NgramModel) -> None:
    texts = ["Ｋｉｌｌ　them ALL", "今\u200b天*天气…很好", CLEAN]
    assert np.array_equal(scored(ngrams, texts), scored(ngrams, [fold_text(text) for text in texts]))


def test_a_long_text_is_scored_in_windows(ngrams: NgramModel) -> None:
    long = CLEAN * 625
    assert len(long) == 10_000
    start = time.perf_counter()
    scores = scored(ngrams, [long, CLEAN])
    assert time.perf_counter() - start < 1
    windows = [long[at : at + WINDOW_CHARS] for at in range(0, len(long), WINDOW_CHARS)]
    assert np.abs(scores[0] - scored(ngrams, windows).max(axis=0)).max() <= SAME
    assert np.abs(scores[1] - scored(ngrams, [CLEAN])[0]).max() <= SAME


def test_harm_does_not_drown_in_a_long_text(ngrams: NgramModel) -> None:
    harm = "我今晚就带刀去砍死你全家，一个都不留。"
    page = CLEAN * (WINDOW_CHARS // len(CLEAN))
    pages = [page.ljust(WINDOW_CHARS, "。"), harm.ljust(WINDOW_CHARS, "。"), page]
    text = "".join(pages)
    assert np.abs(scored(ngrams, [text])[0] - scored(ngrams, pages).max(axis=0)).max() <= SAME
