"""A tokenizer that fails, or makes far more of a text than there is, is refused when the model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import processors

from sluice.classifier import load_model, tokenizer
from sluice.errors import ModelError
from sluice.moderation.detector import Passage
from support.models import rewrite

Json = dict[str, Any]

VOCABULARY = {"a": 0, "b": 1}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
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


def template(single: str, pair: str = "[CLS] $A [SEP] $B:1 [SEP]:1") -> Callable[[Json], object]:
    made = processors.TemplateProcessing(single=single, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    both = processors.TemplateProcessing(single="$A", pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    parts = [json.loads(part.__getstate__()) for part in (made, both)]
    return lambda content: content.update(post_processor={**parts[0], "pair": parts[1]["pair"]})


def without(field: str, sequence: str) -> Callable[[Json], object]:
    """The template of `field` with no place for a text."""

    def edit(content: Json) -> None:
        pieces = content["post_processor"][field]
        pieces[:] = [piece for piece in pieces if piece.get("Sequence", {}).get("id") != sequence]

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        without("pair", "B"),
        without("pair", "A"),
        lambda c: c["post_processor"].update(pair=c["post_processor"]["single"]),
        template("[CLS] $A $A [SEP]"),
        template("$A", "$A $A $B:1"),
    ],
)
def test_a_template_that_loses_or_repeats_the_text(
    copy_of: Callable[[Path], Path], encoder_dir: Path, edit: Callable[[Json], object]
) -> None:
    refuse(copy_of(encoder_dir), edit, "post_processor: must keep every token")


def test_a_template_that_gives_both_texts_one_type_id(copy_of: Callable[[Path], Path], encoder_dir: Path) -> None:
    refuse(copy_of(encoder_dir), template("$A", "$A [SEP] $B"), "post_processor", "type ids of their own")


@pytest.mark.parametrize("count", [30, 31, 40])
def test_a_template_of_single_texts_that_leaves_no_room(
    copy_of: Callable[[Path], Path], encoder_dir: Path, count: int
) -> None:
    edit = template("[CLS] " * count + "$A [SEP] [SEP]")
    refuse(copy_of(encoder_dir), edit, f"post_processor: adds {count + 2} special tokens to a text", "no room")


@pytest.mark.parametrize("edit", [normalizer(**replaced("", Regex=r"[\s\S]")), without("single", "A")])
def test_what_leaves_nothing_of_a_text(
    copy_of: Callable[[Path], Path], encoder_dir: Path, edit: Callable[[Json], object]
) -> None:
    refuse(copy_of(encoder_dir), edit, "makes no tokens")


def test_tokens_by_chance(copy_of: Callable[[Path], Path], encoder_dir: Path) -> None:
    bpe = {"type": "BPE", "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "b": 5, "ab": 6}}
    edit = model(**bpe, merges=["a b"], unk_token="[UNK]", dropout=0.5)
    refuse(copy_of(encoder_dir), edit, "model.dropout: makes other tokens")


@pytest.mark.parametrize(
    "edit",
    [
        template("$A [SEP]", "$A [SEP] $B:1"),
        template("[CLS] $A", "[CLS] $A $B:1 [SEP]:1"),
        template("$A", "$A $B:1"),
        lambda c: c.update(post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
        lambda c: c.update(post_processor={"type": "Sequence", "processors": [BYTES, c["post_processor"]]}),
        lambda c: c.update(post_processor=BYTES),
    ],
)
def test_special_tokens_stand_on_both_sides_on_one_or_on_none(
    copy_of: Callable[[Path], Path], encoder_dir: Path, edit: Callable[[Json], object]
) -> None:
    copy = copy_of(encoder_dir)
    content = json.loads((copy / "tokenizer.json").read_bytes())
    edit(content)
    rewrite(copy, "tokenizer.json", json.dumps(content).encode())
    scores = load_model(copy).score([Passage("坏" * 99), Passage("好"), Passage("坏", "引" * 99)])
    assert (scores[:, 0] > 0.5).tolist() == [True, False, False]


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
