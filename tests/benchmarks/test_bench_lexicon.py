"""The lexicon benchmark measures what it says, and its matchers find what there is."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import lexicon as bench
from matchers import MATCHERS, NAIVE, Matcher, PyahocorasickStr, Scan
from texts import clean_lines, load, make_terms, starter_terms, whole_text_hits

TERMS = ["知识产权", "国家知识产权局", "产权", "权局", "知识", "how to", "to", "局国", "a.b"]
LINES = ["今天的天气很好，我们去公园散步。", "他在图书馆里看了一下午的书", "这道菜要先把水烧开，再放盐和面条"] * 3

ROWS = "label\tlang\tform\tdirectness\tfamily\ttext\n" + "".join(f"benign\tzh\tx\tx\tx\t{line}\n" for line in LINES)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.tsv").write_text(ROWS + "harm\tzh\tx\tx\tx\t不在其中\nbenign\ten\tx\tx\tx\tnot this\n")
    return folder


def cut(text: str, rng: random.Random) -> list[str]:
    parts = []
    while text:
        size = rng.randint(1, 5)
        parts.append(text[:size])
        text = text[size:]
    return parts


def feed_all(scan: Scan, parts: list[str]) -> None:
    for part in parts:
        scan.feed(part)
    scan.close()


@pytest.mark.parametrize("kind", MATCHERS, ids=lambda kind: kind.name)
def test_a_matcher_finds_the_same_however_the_text_is_cut(kind: type[Matcher]) -> None:
    rng = random.Random(3)
    matcher = kind(TERMS)
    pieces = [*TERMS, "国家", "a", ".b", "，", "é", "局"]
    if kind is not PyahocorasickStr:  # it crashes on what stands above U+FFFF, see `clean_lines`
        pieces.append("😀")
    for _ in range(60):
        text = "".join(rng.choices(pieces, k=12))
        scan = matcher.open()
        feed_all(scan, cut(text, rng))
        assert [sorted(scan.hits)] == whole_text_hits([text], TERMS)


def test_the_whole_texts_hits_are_all_there_are() -> None:
    text = "国家知识产权局国"
    expected = sorted(
        (at, at + len(t), n) for n, t in enumerate(TERMS) for at in range(len(text)) if text.startswith(t, at)
    )
    assert whole_text_hits([text], TERMS) == [expected]
    assert len(expected) == 6


@pytest.mark.parametrize("kind", NAIVE, ids=lambda kind: kind.name)
def test_each_delta_alone_misses_what_crosses_a_border(kind: type[Matcher]) -> None:
    matcher = kind(TERMS)
    scan = matcher.open()
    feed_all(scan, ["国家知识", "产权局"])
    assert sorted(scan.hits) == [(2, 4, 4), (4, 6, 2), (5, 7, 3)]


def test_made_up_terms_stand_in_no_line_and_smaller_lexicons_are_part_of_larger_ones() -> None:
    small, large = (make_terms(count, LINES, seed=1) for count in (40, 90))
    assert len(small.folded) == len(set(small.folded)) == 40
    assert set(small.folded) < set(large.folded)
    made = large.folded[large.starter :]
    assert large.starter == 45
    assert not [term for term in made if any(term in line for line in LINES)]
    assert make_terms(40, LINES, seed=1).folded == small.folded
    assert make_terms(40, LINES, seed=2).folded != small.folded


def test_lines_with_a_starter_term_or_an_emoji_are_not_clean() -> None:
    term = starter_terms()[0].text
    assert clean_lines([LINES[0], f"前{term}后", "", "好😀"]) == [LINES[0]]


def test_a_load_is_cut_into_equal_deltas_and_has_what_was_planted() -> None:
    terms = make_terms(20, LINES, seed=1, starter=False)
    made = load(LINES, 5, streams=7, deltas=6, plant=terms, rate=0.05, seed=1)
    assert made.deltas == 42
    assert made.chars == 210
    assert [final for _, final in made.rounds] == [False] * 5 + [True]
    assert ["".join(texts) for texts in zip(*(t for t, _ in made.rounds), strict=True)] == list(made.streams)
    assert made.planted > 0
    assert sum(map(len, whole_text_hits(made.streams, terms.folded))) > 0
    bare = load(LINES, 5, streams=7, deltas=6, plant=None, rate=0.05, seed=1)
    assert whole_text_hits(bare.streams, terms.folded) == [[]] * 7


def test_a_tiny_run_writes_all_it_promises(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--terms", "60", "--deltas", "2,5", "--repeats", "2", "--streams", "30", "--planted", "30"]
    bench.main([*options, "--own", str(own), "--out", str(out)])
    result = json.loads((out / "lexicon.json").read_text())
    assert (out / "lexicon.png").stat().st_size > 1000
    found = result["lexicons"]["60"]
    stages = {"stage, base", "stage, all"}
    assert set(found["built"]) == {kind.name for kind in MATCHERS} | stages
    assert all(b["build_seconds"] >= 0 and b["bytes_per_stream"] >= 0 for b in found["built"].values())
    for delta in found["deltas"].values():
        assert set(delta["rates"]) == {kind.name for kind in (*MATCHERS, *NAIVE)} | stages
        assert all(len(rate["us_per_delta_all"]) == 2 for rate in delta["rates"].values())
        assert delta["rates"][bench.BARE]["ratio_to_bare"] == 1
        alone = delta["each_delta_alone"]
        assert 0 < min(alone["missed"].values()) <= alone["hits"]
        assert all(0 <= held["mean"] <= held["most"] for held in delta["held_back"].values())
        for steps in delta["breakdown"].values():
            assert list(steps) == ["loop", "fold", "encode", "match", "hold-back", "bookkeeping"]
    assert set(found["own_time"]) == stages
    assert "us a delta of 5" in capsys.readouterr().out


def test_a_matcher_that_misses_something_ends_the_run(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = type("Forgetful", (NAIVE[0],), {"name": "forgetful"})
    monkeypatch.setattr(bench, "MATCHERS", (*MATCHERS[:1], forgetful))
    monkeypatch.setattr(bench, "build_alone", lambda *_: {})
    options = ["--terms", "60", "--deltas", "2", "--repeats", "1", "--streams", "30", "--planted", "30"]
    with pytest.raises(bench.Mismatch, match="forgetful"):
        bench.main([*options, "--own", str(own), "--out", str(tmp_path)])


def test_text_of_ones_own(tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    text.write_text("\n".join(LINES), encoding="utf-8")
    options = ["--terms", "30", "--deltas", "5", "--repeats", "1", "--streams", "5", "--no-starter"]
    bench.main([*options, "--text", str(text), "--out", str(tmp_path)])
    result = json.loads((tmp_path / "lexicon.json").read_text())
    assert result["text"]["source"] == "mine.txt"
    assert result["lexicons"]["30"]["from_starter"] == 0
    assert result["lexicons"]["30"]["longest"] <= 6
    assert result["aims"] == {}


def test_a_folder_without_texts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no harmless Chinese texts"):
        bench.main(["--own", str(tmp_path), "--out", str(tmp_path)])
