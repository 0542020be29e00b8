"""The disguise benchmark hides what it says it hides, and counts what is found."""

from __future__ import annotations

import csv
import json
import lzma
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from pypinyin import lazy_pinyin

import disguises as bench
from disguise_kinds import AS_WRITTEN, KINDS
from sluice.lexicon import Lexicon, Term

BY_NAME = {kind.name: kind for kind in KINDS}


def hide(name: str, span: str, seed: int = 1) -> str | None:
    return BY_NAME[name].apply(span, random.Random(seed))


@pytest.mark.parametrize(
    ("name", "span", "expected"),
    [
        (AS_WRITTEN, "海洋天气", "海洋天气"),
        ("traditional", "海洋天气", "海洋天氣"),
        ("full-width", "weather", "ｗｅａｔｈｅｒ"),
        ("spaces", "海洋天气", "海 洋 天 气"),
        ("commas", "海洋天气", "海，洋，天，气"),
        ("newlines", "海洋", "海\n洋"),
        ("split, all", "海洋", "水每水羊"),
        ("split, as drawn", "海洋", "氵每氵羊"),
        ("pinyin joined", "海洋天气", "haiyangtianqi"),
        ("pinyin spaced", "海洋天气", "hai yang tian qi"),
        ("pinyin dotted", "海洋天气", "hai.yang.tian.qi"),
        ("pinyin with tones", "海洋", "hǎiyáng"),
        ("initials", "海洋天气", "hytq"),
        ("traditional, spaced", "海洋天气", "海 洋 天 氣"),
        ("two swapped", "海洋", "洋海"),
        ("traditional, spaced", "海洋", None),
        ("pinyin joined", "海洋ok", None),
        ("homophone, all", "weather", None),
        ("split, one", "weather", None),
        ("look-alike", "海洋", None),
        ("two swapped", "哈哈", None),
    ],
)
def test_disguises(name: str, span: str, expected: str | None) -> None:
    assert hide(name, span) == expected


@pytest.mark.parametrize("seed", range(5))
def test_disguises_that_are_drawn(seed: int) -> None:
    span = "海洋天气"
    assert lazy_pinyin(hide("homophone, all", span, seed) or "") == lazy_pinyin(span)
    one = hide("homophone, one", span, seed) or ""
    assert lazy_pinyin(one) == lazy_pinyin(span)
    assert sum(a != b for a, b in zip(one, span, strict=True)) == 1
    marks = hide("marks", span, seed) or ""
    assert marks[::2] == span and len(set(marks[1::2])) == 1
    assert not (hide("zero-width", span, seed) or "").isprintable()
    initial = hide("one initial", span, seed) or ""
    assert sum(c.isascii() for c in initial) == 1
    assert (hide("styled letters", "weather", seed) or "").casefold() != "weather"
    assert (hide("case", "weather", seed) or "").casefold() == "weather"


def test_only_a_finding_of_the_same_risk_over_half_of_the_span_counts() -> None:
    lexicon = Lexicon([Term("海洋", "A.1.h", 2, "t"), Term("今天天气", "A.1.f", 3, "t")])

    def found(risk: str, start: int, end: int, hidden: str) -> float | None:
        sentence = bench.Sentence("看海洋和今天天气", start, end, risk, True)
        best = bench.best_finding(lexicon, sentence, hidden)
        return None if best is None else best.score

    assert found("A.1.h", 1, 3, "海洋") == 0.9
    assert found("A.1.f", 1, 3, "海洋") is None
    assert found("A.1.f", 4, 8, "今天天气") == 1.0
    assert found("A.1.h", 1, 8, "海洋和今") == 0.9
    assert found("A.1.h", 1, 8, "海洋和今天") is None


def test_findings_in_neutral_text_are_counted_by_channel() -> None:
    lexicon = Lexicon([Term("海洋天气", "A.1.h", 3, "t"), Term("公园", "A.1.h", 1, "t")])
    worst: dict[tuple[str, str, float], Counter[str]] = defaultdict(Counter)
    texts = ["海洋天气和海洋天气", "去公园", *["没有什么"] * 8]
    figures = bench.false_positives(lexicon, texts, worst).figures()
    characters = sum(map(len, texts))
    assert (figures["texts"], figures["characters"]) == (10, characters)
    exact = figures["channels"]["exact"]
    assert [exact[str(t)]["findings"] for t in (0.6, 0.7, 0.9)] == [3, 2, 2]
    assert [exact[str(t)]["texts_per_1000"] for t in (0.6, 0.7, 0.9)] == [200, 100, 100]
    assert exact["0.9"]["per_1000_characters"] == round(2 / characters * 1000, 5)
    assert figures["channels"]["pinyin"]["0.6"]["findings"] == 0
    assert figures["any_texts_per_1000"] == {"0.6": 200.0, "0.7": 100.0, "0.9": 100.0}
    rules = bench.worst_rules(worst)
    assert [(row["matched"], row["findings"], row["different_spans"]) for row in rules] == [
        ("exact", 2, 1),
        ("exact", 1, 1),
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The public sets, as small as can be."""
    folder = tmp_path / "data"
    for name in ("kdconv", "niutrans_modern", "chinese_safetyqa", "cvalues", "jade"):
        (folder / name).mkdir(parents=True)
    (folder / "kdconv" / "utterances.txt").write_text("你看过这部电影吗？\n\n看过海洋天气预报。\n", encoding="utf-8")
    with lzma.open(folder / "niutrans_modern" / "sentences.txt.xz", "wt", encoding="utf-8") as file:
        file.write("他们渡过了河。\n第二天下了雨。\n")
    row = json.dumps({"question": "谁写了红楼梦？", "standard_answer": "曹雪芹"})
    (folder / "chinese_safetyqa" / "chinese_safetyqa.jsonl").write_text(row + "\n")
    (folder / "cvalues" / "cvalues_responsibility_prompts.jsonl").write_text('{"prompt": "哪种车更好？"}\n')
    for name in ("hard", "medium"):
        path = folder / "jade" / f"jade_alignment_{name}_zh.csv"
        with path.open("w", encoding="gb18030", newline="") as file:
            csv.writer(file).writerows([["ID", "问题", "违规回答", "安全有用回答"], [1, "甲", "乙", "请遵守法律。"]])
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A lexicon with sentences."""
    folder = tmp_path / "lexicon"
    (folder / "sentences").mkdir(parents=True)
    (folder / "t.tsv").write_text("term\trisk\tseverity\n海洋天气\tA.1.h\t3\nsunny day\tA.1.h\t2\n", encoding="utf-8")
    (folder / "sentences" / "t.tsv").write_text(
        "term\tkind\ttext\n海洋天气\thit\t明天的海洋天气怎么样\n海洋天气\tmiss\t海洋和天气\n"
        "sunny day\thit\twhat a sunny day\n",
        encoding="utf-8",
    )
    return folder


def test_a_tiny_run_writes_json_and_a_page(data: Path, small: Path, tmp_path: Path) -> None:
    page = tmp_path / "recall.md"
    options = ["--lexicon", str(small), "--every", "1", "--out", str(tmp_path), "--markdown", str(page)]
    bench.main([str(data), *options])
    raw = (tmp_path / "disguises.json").read_text(encoding="utf-8")
    result = json.loads(raw)
    assert list(result["recall"]) == [kind.name for kind in KINDS]
    written = result["recall"][AS_WRITTEN]
    assert (written["all"]["sentences"], written["all"]["found"], written["all"]["score_0.9"]) == (2, 1.0, 1.0)
    assert written["han_3_or_more"]["sentences"] == 1
    assert written["all"]["matched"] == {"exact": 2}
    assert result["recall"]["full-width"]["all"]["sentences"] == 1
    assert result["neutral"]["all"]["texts"] == 9
    assert result["neutral"]["kdconv"]["channels"]["exact"]["0.9"]["findings"] == 1
    text = page.read_text(encoding="utf-8")
    assert all(f"| {kind.name} " in text for kind in KINDS)
    assert "| 2 | 100.0 % | 100.0 % | 100.0 % | 1 | 100.0 % |" in text
    assert "easier to find than what people write" in text
    # Neither says what the texts or the sentences are.
    assert not [line for line in ("电影", "海洋天气预报", "sunny", "怎么样", "法律。") if line in raw + text]


def test_the_same_seed_gives_the_same_figures(data: Path, small: Path, tmp_path: Path) -> None:
    results = []
    for _ in range(2):
        bench.main([str(data), "--lexicon", str(small), "--out", str(tmp_path)])
        results.append(json.loads((tmp_path / "disguises.json").read_text(encoding="utf-8")))
        del results[-1]["seconds"]
    assert results[0] == results[1]


def test_a_set_that_is_not_there_is_an_error(data: Path, small: Path, tmp_path: Path) -> None:
    (data / "kdconv" / "utterances.txt").unlink()
    with pytest.raises(SystemExit, match="must hold the set kdconv"):
        bench.main([str(data), "--lexicon", str(small), "--out", str(tmp_path)])
