"""The classifier benchmark measures what it says, on models that are of the shape that it says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer

import classifiers as bench
from contenders import BERT_FP32, BERT_INT8, CASCADE, CHEAP, STRONG_MEMBER
from mix import KINDS, Mix, Pools, own_pools, own_texts, sentences
from random_encoder import Shape, encoder_graph, made_tokenizer, quantise, write_encoder
from sluice import shipped
from sluice.classifier import Head, load_model
from sluice.classifier.cascade import Cascade
from sluice.moderation.detector import Passage
from support.models import write_cascade
from support.models import write_encoder as write_marks

SMALL = Shape(layers=2, width=16, attention_heads=4, inner=32, vocabulary=600, tokens=64)
HEADS = (Head("one", "A.1.f", "one"), Head("two", "A.2.e", "two", "gender"))
OWN = Path(__file__).resolve().parents[2] / "models" / "texts"

TEXTS: Pools = {
    "ordinary": ["今天的天气很好，我们去公园散步。", "他在图书馆里看了一下午的书。", "Put the noodles in first. "],
    "near miss": ["法院判了那个骗子三年。"],
    "harmful": ["你这个废物，滚出去！"],
}


def small_mix(seed: int = 3) -> Mix:
    return Mix(TEXTS, streams=12, sentences=5, risky=0.1, seed=seed)


def logits(graph: onnx.ModelProto, ids: list[list[int]], mask: list[list[int]]) -> NDArray[np.float32]:
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    row, seen = np.array(ids, dtype=np.int64), np.array(mask, dtype=np.int64)
    kinds = np.zeros_like(row)
    kinds[:, 3:] = 1
    found: NDArray[np.float32] = session.run(
        ["logits"], {"input_ids": row, "attention_mask": seen, "token_type_ids": kinds}
    )[0]
    return found


def test_a_graph_gives_one_logit_a_head_and_does_not_see_padding() -> None:
    graph = encoder_graph(SMALL, 3, seed=1)
    ids = [2, 17, 5, 599, 40, 3]
    alone = logits(graph, [ids], [[1] * 6])
    assert alone.shape == (1, 3) and np.isfinite(alone).all()
    padded = logits(graph, [[*ids, 0, 0, 0], [2, 9, 9, 9, 9, 9, 9, 9, 3]], [[1] * 6 + [0] * 3, [1] * 9])
    assert np.allclose(padded[0], alone[0], rtol=0, atol=1e-6)
    assert not np.allclose(padded[1], alone[0], rtol=0, atol=1e-6)
    seen = logits(graph, [[*ids, 0, 0, 0]], [[1] * 9])
    assert not np.allclose(seen[0], alone[0], rtol=0, atol=1e-6)
    assert np.isfinite(logits(graph, [[599] * SMALL.tokens], [[1] * SMALL.tokens])).all()


def test_the_same_seed_gives_the_same_weights_and_layers_differ() -> None:
    graph = encoder_graph(SMALL, 3, seed=1)
    assert graph == encoder_graph(SMALL, 3, seed=1) != encoder_graph(SMALL, 3, seed=2)
    shapes = Counter(tuple(tensor.dims) for tensor in graph.graph.initializer)
    assert shapes[16, 16] == 2 * 4 + 1  # query, key, value and output of each layer, and the pooler
    assert shapes[16, 32] == shapes[32, 16] == 2
    assert shapes[600, 16] == shapes[64, 16] == shapes[2, 16] == 1
    inner = [numpy_helper.to_array(tensor) for tensor in graph.graph.initializer if tuple(tensor.dims) == (16, 32)]
    assert not np.array_equal(*inner)


def test_int8_changes_logits_a_little() -> None:
    graph = encoder_graph(SMALL, 3, seed=1)
    small = quantise(graph)
    kinds = Counter(node.op_type for node in small.graph.node)
    # The attention's own two products a layer have no weights, and stay as they are.
    assert kinds["MatMulInteger"] == 2 * 6 + 2 and kinds["MatMul"] == 2 * 2
    whole, rounded = (logits(proto, [[2, 17, 5, 599, 40, 3]], [[1] * 6]) for proto in (graph, small))
    assert 0 < np.abs(whole - rounded).max() < 0.05


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_written_encoder_is_a_model_directory(precision: str, tmp_path: Path) -> None:
    graph = encoder_graph(SMALL, 2)
    write_encoder(
        tmp_path / "one",
        quantise(graph) if precision == "int8" else graph,
        made_tokenizer(TEXTS["ordinary"], SMALL.vocabulary).encode(),
        heads=HEADS,
        tokens=SMALL.tokens,
        precision=precision,  # type: ignore[arg-type]
        context=16,
    )
    model = load_model(tmp_path / "one")
    alone = model.score([Passage("今天的天气很好")])
    both = model.score([Passage("今天的天气很好"), Passage("天气", "今天的书。")])
    assert alone.shape == (1, 2) and np.allclose(both[0], alone[0], rtol=0, atol=1e-6)
    assert ((alone > 0) & (alone < 1)).all()


def test_a_made_tokenizer_is_bounded_and_reads_a_token_a_character() -> None:
    tokenizer = Tokenizer.from_str(made_tokenizer(["今天 the weather 很好", "今天"], 80))
    assert tokenizer.get_vocab_size() == 80
    assert tokenizer.encode("今天很").tokens == ["[CLS]", "今", "天", "很", "[SEP]"]
    large = Tokenizer.from_str(made_tokenizer(["今天 the weather 很好", "今天"], 600))
    assert large.encode("The weather, to").tokens[1:-1] == ["the", "weather", "[UNK]", "t", "##o"]


def test_a_mix_has_its_share_of_each_kind_and_contexts_within_a_stream() -> None:
    mix = small_mix()
    assert Counter(mix.kinds) == {"ordinary": 54, "near miss": 3, "harmful": 3}
    assert all(passage.text in TEXTS[kind] for passage, kind in zip(mix.passages, mix.kinds, strict=True))
    assert mix.characters == sum(len(passage.text) for passage in mix.passages)
    for at in range(0, 60, 5):
        stream = mix.passages[at : at + 5]
        before = ""
        for passage in stream:
            assert before.endswith(passage.context) and len(passage.context) <= 120
            assert bool(passage.context) == bool(before)
            before += passage.text
    assert small_mix().passages == mix.passages != small_mix(seed=4).passages
    least = Counter(Mix(TEXTS, streams=3, sentences=2, risky=0, seed=1).kinds)
    assert least["near miss"] == least["harmful"] == 1


@pytest.mark.parametrize("size", [1, 4, 12, 32])
def test_frames_hold_all_text_in_order_and_no_stream_twice(size: int) -> None:
    mix = small_mix()
    written = [""] * len(mix.passages)
    whole: list[int] = []
    lengths: Counter[int] = Counter()
    for frame in mix.frames(size):
        streams = [number // 5 for number in frame.sentences]
        assert len(set(streams)) == frame.deltas <= size
        for number, piece in zip(frame.sentences, frame.pieces, strict=True):
            assert piece and number not in whole
            assert number % 5 == 0 or written[number - 1] == mix.passages[number - 1].text
            written[number] += piece
        whole += [frame.sentences[place] for place in frame.ended]
        lengths.update(
            sum(len(piece) for stream_, piece in zip(streams, frame.pieces, strict=True) if stream_ == stream)
            for stream in set(streams)
        )
    assert written == [passage.text for passage in mix.passages]
    assert sorted(whole) == list(range(60))
    assert set(lengths) <= set(range(1, 8)) and lengths[1] + lengths[2] <= 12  # the last delta of each stream
    full = [frame.deltas == size for frame in mix.frames(size)]
    assert all(full[: len(full) // 2]) or size > 12


def test_passages_are_chosen_evenly_by_length() -> None:
    mix = small_mix()
    lengths = [len(passage.text) for passage in mix.evenly(6)]
    assert lengths == sorted(lengths) and len(lengths) == 6 and len(set(lengths)) > 1
    assert len(mix.evenly(1_000)) == 60


def test_texts_are_cut_as_workers_cut_them() -> None:
    assert sentences("今天很好。明天呢？”好吧，再见") == ["今天很好。", "明天呢？", "”好吧，再见"]
    assert sentences("好。" + "长" * 130) == ["长" * 120, "长" * 10]


def test_the_projects_own_texts_have_all_kinds() -> None:
    pools = own_pools(OWN)
    assert list(pools) == list(KINDS) and all(len(pool) > 50 for pool in pools.values())
    assert "红烧肉想要软糯不腻，关键在火候和耐心。" in pools["ordinary"]
    assert not set(pools["ordinary"]) & set(pools["harmful"])
    for_no_head = [text for one in own_texts(OWN, "test") if not one.written_for for text in sentences(one.text)]
    assert len(for_no_head) > 50 and set(for_no_head) <= set(pools["ordinary"])
    assert not set(for_no_head) & set(pools["near miss"])


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *options: str, model: Path | None = None
) -> dict[str, dict[str, dict[str, float]]]:
    monkeypatch.setattr(bench, "BERT_BASE", SMALL)
    monkeypatch.setattr(bench, "STRONG", SMALL)
    sizes = ["--streams", "8", "--sentences", "4", "--repeats", "2", "--bert-windows", "5", "--batch", "8"]
    given = [] if model is None else ["--model", str(model)]
    bench.main([*sizes, *given, *options, "--out", str(tmp_path / "out")])
    result: dict[str, dict[str, dict[str, float]]] = json.loads((tmp_path / "out" / "classifiers.json").read_text())
    return result


@pytest.fixture
def cascade(tmp_path: Path) -> Path:
    """With the shipped cheap member, and a strong one that says something."""
    cheap = load_model(shipped.model_directory())
    at = shipped.model_directory() / "cheap" if isinstance(cheap, Cascade) else shipped.model_directory()
    return write_cascade(tmp_path / "both", at, cheap.heads)


def test_a_tiny_run_writes_all_it_promises(
    cascade: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path, monkeypatch, model=cascade)
    assert (tmp_path / "out" / "classifiers.png").stat().st_size > 1000
    names = {CHEAP, STRONG_MEMBER, CASCADE, *BERT_INT8, BERT_FP32}
    assert set(result["windows"]) == names
    costs = result["core_seconds_per_million_characters_all"]
    assert set(costs) == names | {bench.ON_STREAMS}
    assert all(len(values) == 2 and min(values) > 0 for values in costs.values())  # type: ignore[type-var]
    assert {name: found["windows"] for name, found in result["windows"].items()} == {
        name: 5 if name in (*BERT_INT8, BERT_FP32) else 32 for name in names
    }
    for found in result["windows"].values():
        assert 0 < found["ms_per_call"]["p50"] <= found["ms_per_call"]["p99"]  # type: ignore[index]
    one, many = (result["deltas"][f"skimmed, frames of {size}"] for size in (1, bench.FRAME))
    assert one["deltas"] == one["frames"] == many["deltas"] > many["frames"]
    assert len(result["ratios"]) == 6 and min(result["ratios"].values()) > 0  # type: ignore[type-var]
    assert {aim["aim"] for aim in result["aims"].values()} == {200, 30}
    asked = result["mix"]["strong_member_asked"]
    assert asked["all"]["windows"] == 32  # type: ignore[index]
    assert result["machine"]["threads"] == 1 and result["machine"]["packages"]
    assert str(result["model"]["strong"]).startswith("marks-")
    printed = capsys.readouterr().out
    assert "strong member asked: all" in printed and "us a delta" in printed
    # Neither says what the sentences are.
    assert not [text for text in own_pools(OWN)["ordinary"] if text in printed + json.dumps(result)]


def test_n_grams_alone_get_a_strong_member(tmp_path: Path, cascade: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = tmp_path / "mine.txt"
    ordinary.write_text("\n".join(TEXTS["ordinary"]), encoding="utf-8")
    result = run(tmp_path, monkeypatch, "--ordinary", str(ordinary), model=cascade / "cheap")
    assert str(result["model"]["strong"]).startswith("stand-in with random weights: {'layers': 2")
    assert str(result["mix"]["ordinary"]) == "mine.txt"


def test_an_encoder_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no cheap member"):
        run(tmp_path, monkeypatch, model=write_marks(tmp_path / "marks"))


def test_doubt_that_differs_on_streams_ends_the_run(
    cascade: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.on_streams
    monkeypatch.setattr(bench, "on_streams", lambda *args, judge: (real(*args, judge=judge)[0], {-1}))
    with pytest.raises(bench.Mismatch, match="frames of 32"):
        run(tmp_path, monkeypatch, model=cascade)


def test_a_folder_without_texts_has_no_mix(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no near miss texts"):
        own_pools(tmp_path)
