"""Training, on a model of a few thousand weights. Needs torch: `make test-train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed here: make test-train")
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]  # torch and transformers warn of themselves

import torch
from transformers import BertConfig, BertModel

import export
import finetune
import pack
import transfer
from augment import Augmenter
from data import OWN, Example, own_texts
from distil import Lesson, distil
from encoder import CONTEXT_TOKENS, MAX_TOKENS, Encoder, Reader, batch_of, buckets, logits_of
from finetune import Phase, fine_tune, label_row, masked_loss, remembered
from heads import ALL_CLEAN, HEADS
from sluice.classifier import load_model
from sluice.classifier.manifest import Calibration, Thresholds, Training
from sluice.moderation.detector import Passage

TEXTS = Path(__file__).parents[2] / "models" / "texts"
COMMON: dict[str, Any] = {
    "created": "2026-11-26",
    "training": Training(sources={OWN: 1}, harmful={}),
    "thresholds": Thresholds(flag=0.7, stop=0.9, note=""),
}
PHASES = (Phase("one", {OWN: 1.5}, 1e-3), Phase("two", {OWN: 0.5, "cold": 1.0}, 1e-3, preceded=0.5))


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    own = own_texts(TEXTS, "test")[::8]
    return [
        *own,
        *(Example(text, ALL_CLEAN, "kdconv", text, "neutral") for text in ("今天天气很好。", "我们去公园吧。")),
        *(Example(text, {"abuse": 1}, "cold", text, "harm") for text in ("你真没用。", "滚远点。")),
    ]


@pytest.fixture(scope="module")
def tokenizer(examples: list[Example]) -> dict[str, Any]:
    """A word is a character."""
    chars = sorted({char for example in examples for char in example.text + example.context if not char.isspace()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *chars]
    ids = {word: number for number, word in enumerate(dict.fromkeys(words))}
    single = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    special = {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]")}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special},
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": "[UNK]"},
    }


@pytest.fixture
def new_model(tokenizer: dict[str, Any]) -> Callable[[], Encoder]:
    def make() -> Encoder:
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer["model"]["vocab"]),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=256,
        )
        return Encoder(BertModel(config, add_pooling_layer=False), len(HEADS))

    return make


def test_a_training_that_broke_off_ends_like_one_that_did_not(
    new_model: Callable[[], Encoder],
    tokenizer: dict[str, Any],
    examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finetune, "CHECKPOINT_STEPS", 2)
    reader = Reader.of(tokenizer)
    # Dropout draws from a generator whose state is not kept: without it both trainings must agree to the last bit.
    whole, parted = new_model(), new_model()
    for model in (whole, parted):
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    fine_tune(whole, reader, examples, phases=PHASES, checkpoints=tmp_path / "whole")
    saves = 0
    save = finetune._save

    def breaks(*args: Any) -> None:
        nonlocal saves
        save(*args)
        saves += 1
        if saves == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(finetune, "_save", breaks)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(parted, reader, examples, phases=PHASES, checkpoints=tmp_path / "parted")
    monkeypatch.setattr(finetune, "_save", save)
    fine_tune(parted, reader, examples, phases=PHASES, checkpoints=tmp_path / "parted")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parted.state_dict()[name]), name


def test_a_head_learns_nothing_from_what_is_not_labelled() -> None:
    logits = torch.zeros(1, len(HEADS), requires_grad=True)
    known = torch.zeros(1, len(HEADS))
    known[0, 3] = 1
    masked_loss(logits, torch.ones(1, len(HEADS)), known).backward()
    assert logits.grad is not None
    assert logits.grad.nonzero().tolist() == [[0, 3]]


def test_what_is_known_of_a_text() -> None:
    row = label_row(Example("x", {"drugs": 1, "abuse": 0}, "cold", "x", "harm"))
    heads = list(HEADS)
    assert (row[heads.index("drugs")], row[heads.index("abuse")], row[heads.index("age")]) == (0.92, 0.05, -1.0)


def test_labels_are_softened_by_what_the_first_phase_says_of_them() -> None:
    labels = np.array([[0.92, 0.05, -1.0], [0.92, 0.05, -1.0]], dtype=np.float32)
    logits = np.array([[20.0, -20.0, 20.0], [-20.0, 20.0, 0.0]], dtype=np.float32)
    expected = [[0.96, 0.025, -1.0], [0.46, 0.525, -1.0]]
    assert np.allclose(remembered(labels, logits), expected, atol=1e-6)


def test_rows_keep_the_end_of_a_context_and_the_beginning_of_a_text(tokenizer: dict[str, Any]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    (ids, context), (alone, none) = Reader.of(tokenizer).rows(["我" * 100 + "好", ""], ["天" * 300, "天"])
    assert len(ids) == MAX_TOKENS and context == 0  # a text that fills the row leaves no room
    assert ids[1] == vocabulary["天"] and (len(alone), none) == (3, 0)
    ((ids, context),) = Reader.of(tokenizer).rows(["我" * 100 + "好"], ["天"])
    assert context == CONTEXT_TOKENS + 2 and ids[context - 2] == vocabulary["好"] and ids[context] == vocabulary["天"]
    _, mask, kind = batch_of([(ids, context)])
    assert mask.sum() == len(ids) and kind[0, :context].sum() == 0 and kind[0, context:].all()


def test_batches_hold_every_row_once_within_their_bound() -> None:
    rng = np.random.default_rng(0)
    lengths, order = rng.integers(3, 100, 5_000), rng.permutation(5_000)
    batches = list(buckets(lengths, order, 512))
    assert sorted(np.concatenate(batches).tolist()) == list(range(5_000))
    assert all(len(batch) * lengths[batch].max() <= 512 for batch in batches)


def test_forms_of_a_text_are_the_same_for_the_same_seed(examples: list[Example]) -> None:
    def forms(seed: int) -> list[tuple[str, str]]:
        augmenter = Augmenter([["好。"], ["对。"]], seed, preceded=0.5)
        return [augmenter.form(example) for example in examples]

    assert forms(1) == forms(1) != forms(2)
    changed = [(e, f) for e, f in zip(examples, forms(1), strict=True) if f != (e.context, e.text)]
    assert len(changed) > len(examples) / 4


def test_both_members_are_written_as_they_were_trained(
    new_model: Callable[[], Encoder], tokenizer: dict[str, Any], examples: list[Example], tmp_path: Path
) -> None:
    model = new_model().eval()
    contexts, texts = ["", "他说", "我们"], ["今天天气很好。", "你们都该滚出去", "好"]
    logits = logits_of(model, Reader.of(tokenizer).rows(contexts, texts))
    ones = pack.by_head(np.ones(len(HEADS)))
    pack.write_strong(
        tmp_path / pack.STRONG,
        model,
        tokenizer,
        name="tiny-strong",
        calibration=Calibration("platt", "", ones, {}),
        **COMMON,
    )
    lesson = Lesson(
        [example.text for example in examples],
        np.array([label_row(example) for example in examples], dtype=np.float32),
        np.full((len(examples), len(HEADS)), np.nan, dtype=np.float32),
        np.array([example.source == OWN for example in examples]),
    )
    linear, vocabulary = distil(lesson)
    export.write(tmp_path / pack.CHEAP, linear, vocabulary, name="tiny-cheap", mix="", **COMMON)
    pack.write_cascade(tmp_path, name="tiny", doubt=dict.fromkeys(HEADS, 0.0), mix="", **COMMON)

    found = load_model(tmp_path).score([Passage(t, c) for c, t in zip(contexts, texts, strict=True)])
    assert np.abs(found - 1 / (1 + np.exp(-logits))).max() < 0.05  # int8, and bf16 on the side of training
    cheap = load_model(tmp_path / pack.CHEAP).score([Passage(example.text) for example in examples])
    harm = np.array([example.kind == "harm" for example in examples])
    assert cheap[harm].max(axis=1).mean() > cheap[~harm].max(axis=1).mean() + 0.2


def test_comments_under_one_post_are_in_one_fold() -> None:
    comments = [Example(f"第{n}条", {"gender": 0}, "swsr", f"post {n // 5}", "contrast") for n in range(2_000)]
    folds = [transfer.fold_of(comment) for comment in comments]
    assert all(len(set(folds[n : n + 5])) == 1 for n in range(0, 2_000, 5))
    assert all(250 < folds.count(number) < 550 for number in range(transfer.FOLDS))


def test_a_source_left_out_is_asked_about_head_by_head(
    new_model: Callable[[], Encoder], tokenizer: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    transfer._report(new_model(), Reader.of(tokenizer), (OWN,), Path("unused"), TEXTS)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:] if line]
    assert [row[1].strip() for row in rows] == list(HEADS)
    assert all(0.3 < float(row[3]) < 0.7 for row in rows)  # it has learned nothing
