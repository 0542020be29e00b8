"""Checkpoints of every kind become model directories that say the same. Needs torch: `make test-train`."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_checkpoints import KINDS, edit_config, make_checkpoint

from sluice.classifier import load_model
from sluice.classifier.manifest import EncoderManifest, load_manifest
from sluice.cli.main import main
from sluice.export import agreement
from sluice.export.agreement import MAX_ERROR, MAX_INT8_DRIFT
from sluice.export.samples import sample_texts
from sluice.moderation.detector import Passage

pytest.importorskip("torch", reason="torch is not installed here: make test-train")
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]  # torch and transformers warn of themselves

MAP = ("--map", "toxic=A.4.c:abuse", "--map", "hateful=A.2.a:ethnic", "--ignore", "clean")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("an export opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def export(checkpoint: Path, out: Path, *options: str, labels: tuple[str, ...] = MAP) -> Result:
    return CliRunner().invoke(main, ["models", "export", str(checkpoint), str(out), *labels, *options])


def torch_scores(checkpoint: Path, texts: list[str]) -> np.ndarray:
    """What transformers itself says: padded together, the softmax over all labels, the columns of the two heads."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    encoded = tokenizer(texts, padding=True, return_tensors="pt", padding_side="right")
    accepted = {"input_ids", "attention_mask", *(["token_type_ids"] if _has_segments(model) else [])}
    with torch.inference_mode():
        logits = model(**{name: encoded[name] for name in accepted if name in encoded}).logits
    found: np.ndarray = torch.softmax(logits, dim=1)[:, 1:].numpy()
    return found


def _has_segments(model: Any) -> bool:
    return (getattr(model.config, "type_vocab_size", 0) or 0) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_of_each_kind(kind: str, tmp_path: Path) -> None:
    """In int8, which is made of an fp32 graph that was compared first; and fp32 from outside, for one that has it."""
    checkpoint = make_checkpoint(tmp_path / kind, kind, texts=sample_texts())
    result = export(checkpoint, tmp_path / "out", "--int8", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["agreement"]["texts"] >= 30 and told["agreement"]["largest"] <= MAX_ERROR
    assert 0 < told["drift"]["largest"] <= MAX_INT8_DRIFT
    manifest = load_manifest(tmp_path / "out")
    assert isinstance(manifest, EncoderManifest)
    assert manifest.precision == "int8" and manifest.outputs == (None, "abuse", "ethnic")
    assert manifest.tokens.max_tokens == 128
    model = load_model(tmp_path / "out")
    texts = [text for text in sample_texts() if len(text) < 60]
    scores = model.score([Passage(text) for text in texts])
    assert np.abs(scores - torch_scores(checkpoint, texts)).max() <= MAX_INT8_DRIFT
    assert np.isfinite(model.score([Passage("")])).all()
    assert np.ptp(scores, axis=0).max() > 0.05, "the checkpoint tells texts apart, or this test shows nothing"


@pytest.mark.parametrize("kind", ["bert", "qwen3"])
def test_in_fp32_it_says_what_transformers_says_to_padded_batches(kind: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / kind, kind, texts=sample_texts())
    result = export(checkpoint, tmp_path / "out", "--name", "mine", "--max-tokens", "100")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'out'}: encoder, version mine-" in result.stdout
    texts = [text for text in sample_texts() if len(text) < 60]
    model = load_model(tmp_path / "out")
    assert np.abs(model.score([Passage(t) for t in texts]) - torch_scores(checkpoint, texts)).max() <= MAX_ERROR
    assert CliRunner().invoke(main, ["models", "check", str(tmp_path / "out")]).exit_code == 0
    leaked = [part for part in (str(tmp_path), "site-packages") if part.encode() in _content(tmp_path / "out")]
    assert leaked == [], "what is written names no place of the machine it was made on"


def _content(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


def test_pairs_several_labels_and_a_sigmoid(tmp_path: Path) -> None:
    labels = ["insult", "threat", "obscene"]
    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts(), labels=labels)
    edit_config(checkpoint, problem_type="multi_label_classification")
    given = ("--map", "insult=A.4.c:abuse", "--map", "obscene=A.4.c:abuse", "--map", "threat=A.1.f")
    result = export(checkpoint, tmp_path / "out", "--pair", "--json", labels=given)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["activation"] == "sigmoid" and told["agreement"]["texts"] > 60
    model = load_model(tmp_path / "out")
    alone, after = model.score([Passage("今天天气很好"), Passage("今天天气很好", "他说：")])
    assert not np.allclose(alone, after)


def test_a_tokenizer_that_is_a_list_of_words(tmp_path: Path) -> None:
    """As older checkpoints of Chinese BERT have it: vocab.txt, and no tokenizer.json."""
    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts())
    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    for file in checkpoint.glob("*token*"):
        file.unlink()
    (checkpoint / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)), encoding="utf-8")
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_a_tokenizer_of_sentencepiece(tmp_path: Path) -> None:
    """As DeBERTa-v3 and its children have it: spm.model, and no tokenizer.json."""
    import sentencepiece

    checkpoint = make_checkpoint(tmp_path / "deberta", "deberta-v2", texts=sample_texts())
    for file in checkpoint.glob("*token*"):
        file.unlink()
    trained = io.BytesIO()
    names = {"bos": "[CLS]", "pad": "[PAD]", "eos": "[SEP]", "unk": "[UNK]"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sample_texts()),
        model_writer=trained,
        vocab_size=600,
        hard_vocab_limit=False,
        minloglevel=2,
        **{f"{name}_id": number for number, name in enumerate(names)},
        **{f"{name}_piece": piece for name, piece in names.items()},
    )
    (checkpoint / "spm.model").write_bytes(trained.getvalue())
    (checkpoint / "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer"}', encoding="utf-8")
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_weights_in_shards(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts())
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    (checkpoint / "model.safetensors").unlink()
    model.save_pretrained(checkpoint, max_shard_size="50KB")
    assert len(list(checkpoint.glob("*.safetensors"))) > 1
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 0, result.output


def _spoil_weights(checkpoint: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    edit(weights)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda w: w.pop("classifier.weight"), "weights: missing: classifier.weight"),
        (lambda w: w.update({"classifier.weight": w["classifier.weight"][:1].clone()}), "classifier.weight"),
        (lambda w: w.update({"classifier.bias": w["classifier.bias"] * float("nan")}), "not numbers"),
    ],
)
def test_weights_that_do_not_fit(edit: Callable[[dict[str, Any]], object], words: str, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts())
    _spoil_weights(checkpoint, edit)
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 1 and words in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bert"], "nothing is left of it"


def test_int8_that_drifts_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MAX_INT8_DRIFT", 1e-6)  # no int8 model comes as near
    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts())
    result = export(checkpoint, tmp_path / "out", "--int8")
    assert result.exit_code == 1 and "int8 changes the model too much" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_with_more_words_than_the_model(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts())
    other = make_checkpoint(tmp_path / "small", texts=["abc"])
    for file in other.glob("*.safetensors"):
        (checkpoint / file.name).write_bytes(file.read_bytes())
    edit_config(checkpoint, vocab_size=json.loads((other / "config.json").read_bytes())["vocab_size"])
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 1 and "vocab_size of config.json" in result.stderr


def test_files_of_a_checkpoint_that_are_broken(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "bert", texts=sample_texts())
    (checkpoint / "model.safetensors").write_bytes(b"\x08" * 100)
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 1 and "cannot be loaded as BertForSequenceClassification" in result.stderr
    (checkpoint / "tokenizer.json").write_text("{", encoding="utf-8")
    result = export(checkpoint, tmp_path / "out")
    assert result.exit_code == 1 and "its tokenizer cannot be loaded" in result.stderr


def test_more_tokens_than_it_reads(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "roberta", "roberta", texts=sample_texts())
    result = export(checkpoint, tmp_path / "out", "--max-tokens", "129")
    assert result.exit_code == 1 and "reads 128" in result.stderr
