"""What every scorer promises, whatever its kind."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sluice.classifier import Model, load_model
from sluice.classifier.files import digest_of
from sluice.moderation.detector import Passage, Scorer

SAME = 1e-5  # largest difference that company in a batch may make

passages = st.lists(
    st.builds(
        Passage,
        st.text(alphabet=st.sampled_from("坏偏今天气好他们都该死杀了你abc killthem。！? \u200b"), max_size=60),
        st.text(alphabet=st.sampled_from("引说天气好。a"), max_size=40),
    ),
    min_size=1,
    max_size=24,
)


@pytest.fixture(scope="module", params=["ngram_dir", "encoder_dir", "cascade_dir"])
def directory(request: pytest.FixtureRequest) -> Path:
    """A model directory of each kind."""
    return Path(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def model(directory: Path) -> Model:
    return load_model(directory)


def test_it_is_a_scorer(model: Model) -> None:
    scorer: Scorer = model
    assert all(head.name and head.risk for head in scorer.heads)


def test_the_version_names_the_manifest(model: Model, directory: Path) -> None:
    digest = digest_of((directory / "manifest.json").read_bytes())
    assert model.version == f"{model.manifest.name}-{digest[:12]}"


def test_one_row_a_text_one_column_a_head(model: Model) -> None:
    for score in (model.score, model.judge):
        scores = score([Passage("天气很好。"), Passage("hello there", "before"), Passage("")])
        assert scores.shape == (3, len(model.heads)) and scores.dtype == np.float32
        assert ((scores >= 0) & (scores <= 1)).all()
        assert score([]).shape == (0, len(model.heads))


def test_any_character_has_a_score(model: Model) -> None:
    texts = ["\ud800", "\x00", "\U0010ffff", "﷽" * 100, "e\u0301" * 50, "🙂", "\u200b", ""]
    assert np.isfinite(model.score([Passage(text, text) for text in texts])).all()
    assert np.isfinite(model.judge([Passage(text) for text in texts])).all()


@settings(max_examples=40, deadline=None)
@given(passages, st.integers(0, 2**32))
def test_company_and_order_in_a_batch_change_no_score(model: Model, batch: list[Passage], seed: int) -> None:
    order = list(range(len(batch)))
    random.Random(seed).shuffle(order)
    together = model.score(batch)
    shuffled = model.score([batch[number] for number in order])
    alone = np.concatenate([model.score([passage]) for passage in batch])
    assert np.abs(shuffled - together[order]).max() <= SAME
    assert np.abs(alone - together).max() <= SAME


def test_a_large_batch_of_mixed_lengths(model: Model) -> None:
    texts = [
        Passage("今天坏天气不错，我们去公园走走吧。"[: number % 17] * (1 + number % 40)) for number in range(1_500)
    ]
    scores = model.score(texts)
    some = range(0, len(texts), 97)
    alone = np.concatenate([model.score([texts[number]]) for number in some])
    assert np.abs(scores[list(some)] - alone).max() <= SAME


def test_harm_at_the_end_of_a_long_text_counts(directory: Path, model: Model) -> None:
    harm = "坏偏" if directory.name.startswith("encoder") else "我今晚就带刀去砍死你全家，一个都不留。"
    alone = model.score([Passage(harm)])
    long = model.score([Passage("。" * 4096 + harm)])
    assert bool(long.max() >= 0.5) is bool(alone.max() >= 0.5)


def skim(model: Model, pieces: list[str]) -> NDArray[np.float32]:
    """The scores of a text after its last piece."""
    skimmer = model.skimmer
    assert skimmer is not None
    states: list[object | None] = [None]
    scores = skimmer.skim(states, [""])[0]
    for piece in pieces:
        scores, states = skimmer.skim(states, [piece])
    return scores[0]


cuttings = st.lists(st.text(alphabet=st.characters(), max_size=9), max_size=12)
disguised = st.lists(st.text(alphabet=st.sampled_from("杀死ＫｉlＬ了\u200b*⑴ﬁ…é\u0301 壹Ⅷ"), max_size=5), max_size=12)


@settings(max_examples=80, deadline=None)
@given(cuttings | disguised)
def test_any_cutting_of_a_text_gives_the_scores_of_the_whole(model: Model, pieces: list[str]) -> None:
    if model.skimmer is None:
        return
    whole = "".join(pieces)
    assert np.array_equal(skim(model, pieces), skim(model, [whole]))
    assert np.array_equal(skim(model, pieces), skim(model, list(whole)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=30)), min_size=1, max_size=40))
def test_texts_skimmed_together_do_not_mix(model: Model, texts: list[tuple[str, str]]) -> None:
    skimmer = model.skimmer
    if skimmer is None:
        return
    _, states = skimmer.skim([None] * len(texts), [begin for begin, _ in texts])
    scores, _ = skimmer.skim(states, [end for _, end in texts])
    alone = np.stack([skim(model, [begin + end]) for begin, end in texts])
    assert np.abs(scores - alone).max() <= SAME
    again, _ = skimmer.skim(states, [end for _, end in texts])
    assert np.array_equal(again, scores), "the states that were given stay as they are"


def test_where_it_is_sure_the_skimmer_says_what_score_says(model: Model) -> None:
    skimmer = model.skimmer
    if skimmer is None:
        return
    texts = ["今天天气很好。", "加微信拿货，冰毒麻古现货秒发。", "坏", "hello"]
    skimmed, _ = skimmer.skim([None] * len(texts), texts)
    scores, judged = (score([Passage(text) for text in texts]) for score in (model.score, model.judge))
    doubtful = np.zeros(len(texts), dtype=bool) if skimmer.doubt is None else (skimmed >= skimmer.doubt).any(axis=1)
    assert np.abs(scores[~doubtful] - skimmed[~doubtful]).max() <= SAME
    assert not doubtful.any() or np.abs(scores[doubtful] - judged[doubtful]).max() <= SAME
    assert doubtful.any() is np.bool_(skimmer.doubt is not None)
