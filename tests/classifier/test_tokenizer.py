"""A tokenizer that fails, or makes far more of a text than there is, is refused when the model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluice.classifier import load_model, tokenizer
from sluice.errors import ModelError
from support.models import rewrite

Json = dict[str, Any]

VOCABULARY = {"a": 0, "b": 1}
PIECES = {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
LOST = {
    "single": [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
}


def normalizer(**fields: object) -> Callable[[Json], object]:
    return lambda content: content.update(normalizer=fields)


def replaced(content: str, **pattern: str) -> Json:
    return {"type": "Replace", "pattern": pattern, "content": content}


def model(**fields: object) -> Callable[[Json], object]:
    return lambda content: content.update(model=fields, post_processor=None)


def refuse(directory: Path, edit: Callable[[Json], object], *words: str) -> None:
    content = json.loads((directory / "tokenizer.json").read_bytes())
    edit(content)
    rewrite(directory, "tokenizer.json", json.dumps(content).encode())
    with pytest.raises(ModelError) as raised:
        load_model(directory)
    for word in (str(directory / "tokenizer.json"), *words):
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (model(type="WordLevel", vocab=VOCABULARY, unk_token="[UNK]"), "[UNK]"),
        (model(type="WordPiece", vocab=VOCABULARY, unk_token="[UNK]", **PIECES), "[UNK]"),
        (model(type="BPE", vocab=VOCABULARY, merges=[], unk_token="[UNK]"), "[UNK]"),
        (model(type="Unigram", vocab=[["a", -1.0]], unk_id=None), "unk_id"),
    ],
)
def test_a_model_that_lacks_the_token_for_what_it_does_not_know(
    copy_of: Callable[[Path], Path], encoder_dir: Path, edit: Callable[[Json], object], word: str
) -> None:
    refuse(copy_of(encoder_dir), edit, "fails on a text", word)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (normalizer(type="Precompiled", precompiled_charsmap=""), ["not a tokenizer", "precompiled_charsmap"]),
        (lambda c: c.update(pre_tokenizer={"type": "FixedLength", "length": 0}), ["fails on a text", "chunk size"]),
        (
            lambda c: c.update(post_processor={"type": "TemplateProcessing", "special_tokens": {}, **LOST}),
            ["fails on a text", "no entry found"],
        ),
    ],
)
def test_a_panic_in_the_library_is_an_error_like_any_other(
    copy_of: Callable[[Path], Path], encoder_dir: Path, edit: Callable[[Json], object], words: list[str]
) -> None:
    refuse(copy_of(encoder_dir), edit, *words)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (normalizer(type="Prepend", prepend="x" * 5_000_000), ["normalizer: may make 5000001 characters of one"]),
        (normalizer(type="Prepend", prepend="x" * 1_000), ["normalizer: makes 1001 characters of 1; 72 at most"]),
        (
            normalizer(type="Sequence", normalizers=[replaced("aaaa", String="a")] * 20),
            [f"normalizer: may make {4**20} characters of one"],
        ),
        (
            normalizer(type="Sequence", normalizers=[replaced("a", Regex="")] * 30),
            [f"normalizer: may make {2**30} characters of one"],
        ),
        (normalizer(**replaced("x" * 100, Regex="[^a]")), ["normalizer: makes", "characters of"]),
    ],
)
def test_a_normaliser_that_makes_a_book_of_a_word(
    copy_of: Callable[[Path], Path], encoder_dir: Path, edit: Callable[[Json], object], words: list[str]
) -> None:
    refuse(copy_of(encoder_dir), edit, *words)


def test_a_template_with_an_id_that_no_token_has(copy_of: Callable[[Path], Path], encoder_dir: Path) -> None:
    processor = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 900]}
    refuse(copy_of(encoder_dir), lambda c: c.update(post_processor=processor), "post_processor: adds the id 900")


def test_a_tokenizer_larger_than_any(
    copy_of: Callable[[Path], Path], encoder_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "_TOKENIZER_BYTES", 1_000)
    refuse(copy_of(encoder_dir), lambda c: c.update(padding=None), "larger than 1000 bytes")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Sequence", "normalizers": [replaced("'", String="\u2019")] * 40 + [replaced(" ", Regex=r"\s+")]},
        {"type": "NFKD"},
        {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True},
    ],
)
def test_what_normalisers_in_use_do_is_taken(copy_of: Callable[[Path], Path], encoder_dir: Path, fields: Json) -> None:
    copy = copy_of(encoder_dir)
    content = json.loads((copy / "tokenizer.json").read_bytes())
    normalizer(**fields)(content)
    rewrite(copy, "tokenizer.json", json.dumps(content).encode())
    load_model(copy)
