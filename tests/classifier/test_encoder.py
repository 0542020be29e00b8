"""An encoder: what it makes of context, of long rows, of its calibration and of how it is run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sluice import shipped
from sluice.classifier import Head, load_model
from sluice.classifier.encoder import EncoderModel
from sluice.classifier.manifest import Calibration
from sluice.moderation.detector import Passage
from sluice.text.fold import fold_text
from support.models import MAX_TOKENS, write_encoder


def load(directory: Path) -> EncoderModel:
    model = load_model(directory)
    assert isinstance(model, EncoderModel)
    return model


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def bad(scores: NDArray[np.float32]) -> list[float]:
    return [round(score, 4) for score in scores[:, 0].tolist()]


def test_what_stands_before_a_text_is_read_as_a_segment_of_its_own(encoder_dir: Path) -> None:
    scores = load(encoder_dir).score([Passage("坏"), Passage("坏", "他们引"), Passage("引坏", "他"), Passage("坏", "")])
    assert bad(scores) == [round(sigmoid(value), 4) for value in (4, -16, 4, 4)]


def test_context_gives_way_to_the_text_and_loses_its_beginning_first(encoder_dir: Path) -> None:
    model = load(encoder_dir)
    room = MAX_TOKENS - 3
    for text, context, seen in [
        ("坏" + "他" * 9, "引" + "他" * (room - 11), True),
        ("坏" + "他" * 9, "引" + "他" * (room - 10), False),
        ("坏" + "他" * 9, "他" * 500 + "引", True),
        ("坏" + "他" * (room - 1), "引", False),
    ]:
        assert bool(model.score([Passage(text, context)])[0, 0] < 0.5) is seen, (len(text), len(context))


def test_a_text_longer_than_a_row_is_read_in_parts(encoder_dir: Path) -> None:
    model = load(encoder_dir)
    for place in (0, MAX_TOKENS - 3, MAX_TOKENS - 2, 150, 299):
        text = "他" * place + "坏" + "他" * (299 - place)
        assert bad(model.score([Passage(text), Passage("好")]))[0] == round(sigmoid(4), 4)


def test_rows_of_a_model_that_is_quantised_while_it_runs_go_alone(tmp_path: Path) -> None:
    texts = [Passage(text) for text in ("坏", "天", "坏" * 9, "", "偏")]
    plain, alone = load(write_encoder(tmp_path / "a")), load(write_encoder(tmp_path / "b", precision="int8"))
    assert len(list(plain._runs([3, 4, 5]))) == 1
    assert list(alone._runs([3, 4, 5])) == [[0], [1], [2]]
    assert np.array_equal(plain.score(texts), alone.score(texts))


def test_a_run_holds_a_bounded_number_of_tokens(encoder_dir: Path) -> None:
    model = load(encoder_dir)
    lengths = [3, 3000, 3001, 10, 9000, 3, 16, 17]
    runs = list(model._runs(lengths))
    assert sorted(number for run in runs for number in run) == list(range(len(lengths)))
    for run in runs:
        longest = max(lengths[number] for number in run)
        assert len(run) == 1 or len(run) * longest <= 4_096
        assert longest - min(lengths[number] for number in run) < 16


def test_without_an_attention_mask_nothing_is_padded(tmp_path: Path) -> None:
    model = load(write_encoder(tmp_path, inputs=("input_ids",)))
    assert bad(model.score([Passage("坏"), Passage("天气好"), Passage("好坏"), Passage("他坏", "引")])) == [
        round(sigmoid(value), 4) for value in (4, -4, 4, 4)
    ]


def test_platt_by_head(tmp_path: Path) -> None:
    calibration = Calibration("platt", "a mix", slope={"bad": 0.5}, offset={"bad": 1.0, "biased": -1.0})
    scores = load(write_encoder(tmp_path, calibration=calibration)).score([Passage("坏偏")])
    assert scores[0].tolist() == pytest.approx([sigmoid(4 * 0.5 + 1), sigmoid(4 - 1)], abs=1e-6)


def test_several_logits_of_one_head_and_one_of_none(tmp_path: Path) -> None:
    heads = [Head("bad", "A.4.c", "either")]
    both = load(write_encoder(tmp_path / "a", heads=heads, outputs=["bad", "bad", None]))
    assert bad(both.score([Passage("坏"), Passage("偏"), Passage("好")])) == [
        round(sigmoid(value), 4) for value in (4, 4, -4)
    ]
    temperature = Calibration("temperature", "a mix", slope={"bad": 0.5})
    shares = load(
        write_encoder(tmp_path / "b", heads=heads, outputs=["bad", None], activation="softmax", calibration=temperature)
    )
    assert bad(shares.score([Passage("坏"), Passage("偏"), Passage("好")])) == [
        round(sigmoid(value), 4) for value in (4, -4, 0)
    ]


def test_text_is_folded_first_where_the_model_was_trained_so(tmp_path: Path) -> None:
    plain, folded = load(write_encoder(tmp_path / "a")), load(write_encoder(tmp_path / "b", fold="fold-2"))
    text = Passage("壞")  # the traditional form
    assert bad(plain.score([text])) == [round(sigmoid(-4), 4)]
    assert bad(folded.score([text])) == [round(sigmoid(4), 4)]


def test_a_character_that_folds_to_a_phrase_costs_no_more_than_others() -> None:
    encoder = load_model(shipped.model_directory() / "strong")
    assert isinstance(encoder, EncoderModel)
    phrase = "\ufdfa"
    assert len(fold_text(phrase)) > 10
    tokens = len(encoder._tokens(phrase * 100))
    assert tokens <= 4 * 100
    assert np.isfinite(encoder.score([Passage(phrase * 100)])).all()
