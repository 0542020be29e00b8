"""The shipped model: what `score` promises, and some sentences that it must get right."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.classifier import WINDOW_CHARS, Classifier
from sluice.text.fold import fold_text

CLEAN = "今天天气不错，我们去公园走走吧。"
SAME = 1e-5  # largest difference that company in a batch may make


def top(model: Classifier, text: str) -> float:
    return float(model.score([text]).max())


def of(model: Classifier, head: str, text: str) -> float:
    names = [one.name for one in model.heads]
    return float(model.score([text])[0, names.index(head)])


def test_one_row_a_text_one_column_a_head(model: Classifier) -> None:
    scores = model.score([CLEAN, "hello there", ""])
    assert scores.shape == (3, len(model.heads))
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert model.score([]).shape == (0, len(model.heads))


def test_the_version_names_the_file(model: Classifier) -> None:
    assert model.version == f"{model.manifest.name}-{model.manifest.sha256.model[:12]}"


def test_no_evidence_is_no_alarm(model: Classifier) -> None:
    empty = model.score([""])
    assert empty.max() < 0.5
    for text in ("\u200b\u200d", "\U000f0000" * 5, "\n"):
        assert np.isfinite(model.score([text])).all()
    assert np.array_equal(model.score(["\u200b"]), empty)


def test_any_character_has_a_score(model: Classifier) -> None:
    texts = ["\ud800", "\x00", "\U0010ffff", "﷽" * 100, "e\u0301" * 50, "🙂"]
    assert np.isfinite(model.score(texts)).all()


def test_folding_first_changes_nothing(model: Classifier) -> None:
    texts = ["Ｋｉｌｌ　them ALL", "今\u200b天*天气…很好", CLEAN]
    assert np.array_equal(model.score(texts), model.score([fold_text(text) for text in texts]))


def test_a_long_text_is_scored_in_windows(model: Classifier) -> None:
    long = CLEAN * 625
    assert len(long) == 10_000
    start = time.perf_counter()
    scores = model.score([long, CLEAN])
    assert time.perf_counter() - start < 1
    windows = [long[at : at + WINDOW_CHARS] for at in range(0, len(long), WINDOW_CHARS)]
    assert np.abs(scores[0] - model.score(windows).max(axis=0)).max() <= SAME
    assert np.abs(scores[1] - model.score([CLEAN])[0]).max() <= SAME


def test_harm_does_not_drown_in_a_long_text(model: Classifier) -> None:
    harm = "我今晚就带刀去砍死你全家，一个都不留。"
    page = CLEAN * (WINDOW_CHARS // len(CLEAN))
    pages = [page.ljust(WINDOW_CHARS, "。"), harm.ljust(WINDOW_CHARS, "。"), page]
    text = "".join(pages)
    assert np.abs(model.score([text])[0] - model.score(pages).max(axis=0)).max() <= SAME


def test_a_large_batch_of_mixed_lengths(model: Classifier) -> None:
    texts = [CLEAN[: number % 17] * (1 + number % 40) for number in range(3_000)]
    scores = model.score(texts)
    some = range(0, len(texts), 97)
    alone = np.concatenate([model.score([texts[number]]) for number in some])
    assert np.abs(scores[list(some)] - alone).max() <= SAME


texts = st.lists(
    st.text(alphabet=st.sampled_from("今天气好他们都该死杀了你abc killthem。！? \u200b"), max_size=60),
    min_size=1,
    max_size=24,
)


@settings(max_examples=60, deadline=None)
@given(texts, st.randoms(use_true_random=False))
def test_company_and_order_in_a_batch_change_no_score(model: Classifier, batch: list[str], random: st.DrawFn) -> None:
    order = list(range(len(batch)))
    random.shuffle(order)
    together = model.score(batch)
    shuffled = model.score([batch[number] for number in order])
    alone = np.concatenate([model.score([text]) for text in batch])
    assert np.abs(shuffled - together[order]).max() <= SAME
    assert np.abs(alone - together).max() <= SAME
