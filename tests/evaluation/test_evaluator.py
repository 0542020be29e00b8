"""A whole evaluation: what the report says of a small file, and in which forms."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from sluice.errors import InputError
from sluice.evaluation.documents import to_html, to_markdown
from sluice.evaluation.evaluator import Evaluator
from sluice.evaluation.mapping import Columns, LabelColumn, Labeller
from sluice.evaluation.plots import plots
from sluice.evaluation.replay import Cutting
from sluice.evaluation.report import Report
from sluice.evaluation.rows import LabelledFile
from sluice.evaluation.view import sections
from sluice.moderation.moderator import Moderator
from sluice.text.visible import visible
from support.marks import MarkScorer, mark_detectors

WORLD = mark_detectors()
ROWS = [
    ("这个坏人。", "bad"),
    ("坏透了！", "bad"),
    ("可疑的话。", "bad"),
    ("看不出来。", "bad"),
    ("上赌博网。", "A.1.h"),
    ("有偏见。", "biased"),
    ("好的。", "clean"),
    ("今天很好。", "clean"),
    ("说坏话不好。", "clean"),
    ("有大麻。", "clean"),
    ("不算数。", "ignore"),
]

ONE_TARGET = Columns(labels=(LabelColumn("label", {"bad": "bad", "A.1.h": "ignore", "biased": "ignore"}),))


def evaluate(
    path: Path, rows: Iterable[tuple[str, ...]] = ROWS, columns: Columns | None = None, **options: object
) -> Report:
    columns = columns or Columns()
    with (path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label", "from", "to"), *((*row, "", "")[:4] for row in rows)])
    settings: dict[str, object] = {"profile": "plain", "scorer": MarkScorer(), "hash_key": b"k"}
    evaluator = Evaluator(policy=WORLD.policy, lexicon=WORLD.lexicon, **settings | options)  # type: ignore[arg-type]
    labeller = Labeller(columns.labels, evaluator.targets)
    file_ = LabelledFile(path / "in.csv", columns, labeller, kind="csv", on_error=pytest.fail)
    return evaluator.run(file_, "in.csv", columns, labeller)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return evaluate(tmp_path, cutting=Cutting())


class Failing(MarkScorer):
    """Cannot say anything of texts with 疑."""

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        if any("疑" in piece for piece in pieces):
            raise OSError("no")
        return super().skim(states, pieces)


def test_what_a_failing_model_let_pass_is_counted(tmp_path: Path) -> None:
    few = [("可疑的话。", "bad"), ("好的。", "clean")]
    report = evaluate(tmp_path, few, profile="open", scorer=Failing())
    assert report.file.unscanned == 2  # one call of the model is for both
    assert "2 texts passed in part or whole: the model failed" in to_markdown(report)
    scanned = evaluate(tmp_path, few, profile="open")
    assert scanned.file.unscanned == 0 and "unscanned" not in to_markdown(scanned)


def test_counts_by_detector_and_level(report: Report) -> None:
    assert (report.file.rows, report.file.evaluated, report.file.ignored) == (11, 10, 1)
    anything, *targets = report.targets
    assert (anything.harmful, anything.clean) == (6, 4)
    assert [target.name for target in targets] == ["bad", "biased", "A.1.h"]
    levels = {
        (part, at): (level.found, level.missed, level.alarms, level.passed)
        for part, found in anything.detectors.items()
        for at, level in (("flag", found.flag), ("stop", found.stop))
    }
    assert levels == {
        ("lexicon", "flag"): (1, 5, 1, 3),
        ("lexicon", "stop"): (1, 5, 1, 3),
        ("classifier", "flag"): (4, 2, 1, 3),
        ("classifier", "stop"): (3, 3, 1, 3),
        ("together", "flag"): (5, 1, 2, 2),
        ("together", "stop"): (4, 2, 2, 2),
    }


def test_a_target_has_its_own_scores_thresholds_and_calibration(report: Report) -> None:
    bad = report.targets[1]
    assert (bad.harmful, bad.clean, bad.flag_at, bad.stop_at) == (4, 4, 0.5, 0.8)
    found = bad.detectors["classifier"]
    # Harmful 0.9, 0.9, 0.6, 0.01 against clean 0.9, 0.01, 0.01, 0.01.
    assert found.auroc == pytest.approx((2 * 3.5 + 3 + 1.5) / 16)
    assert found.calibration is not None
    assert {(b.texts, b.harmful) for b in found.calibration.bins if b.texts} == {(4, 0.25), (1, 1.0), (3, 0.666667)}
    assert bad.detectors["lexicon"].calibration is None
    assert report.targets[0].detectors["classifier"].calibration is None


def test_wrongly_judged_texts_and_what_caused_it(report: Report) -> None:
    bad = report.targets[1]
    assert [(e.line, e.score) for e in bad.missed] == [(5, pytest.approx(0.01))]
    assert [(e.line, e.found) for e in bad.alarms] == [(10, ["bad"])]
    causes = {(c.source, c.rule.partition("-")[0]): (c.flagged, c.stopped) for c in report.false_positives}
    assert causes == {("classifier", "bad"): (1, 1), ("lexicon", "t"): (1, 1)}
    said = {(cell.label, cell.found): cell.texts for cell in report.confusion}
    assert said[("bad", "bad")] == 3 and said[("bad", "nothing")] == 1 and said[("A.1.h", "A.1.h")] == 1
    assert said[("clean", "bad")] == said[("clean", "A.1.h")] == 1 and said[("clean", "nothing")] == 2


def test_streams_end_as_whole_texts_do(report: Report) -> None:
    assert report.streams is not None
    groups = {group.name: group for group in report.streams.groups}
    assert list(groups) == ["harmful", "clean", "bad", "biased", "A.1.h"]
    whole = report.targets[0].detectors["together"]
    assert (groups["harmful"].acted, groups["harmful"].stopped) == (whole.flag.found, whole.stop.found)
    assert (groups["clean"].acted, groups["clean"].stopped) == (whole.flag.alarms, whole.stop.alarms)
    assert groups["harmful"].leaked == 0


def test_it_agrees_with_the_moderator(tmp_path: Path) -> None:
    texts = ["".join((a, b, "。")) for a in ("好", "坏", "疑", "偏", "大麻", "赌") for b in ("", "坏", "疑", "赌博网")]
    report = evaluate(tmp_path, [(text, "any") for text in texts])
    whole = Moderator("plain", policy=WORLD.policy, lexicon=WORLD.lexicon, scorer=MarkScorer()).check_batch(texts)
    found = report.targets[0].detectors["together"]
    assert found.stop.found == sum(one.action == "stop" for one in whole)
    assert found.flag.found == sum(one.action != "release" for one in whole)


@pytest.mark.parametrize(("only", "version"), [("lexicon", "model"), ("classifier", "lexicon")])
def test_one_detector_alone(tmp_path: Path, only: str, version: str) -> None:
    report = evaluate(tmp_path, detectors=(only,), cutting=Cutting())
    assert list(report.targets[0].detectors) == [only] and getattr(report.versions, version) == ""
    both = evaluate(tmp_path).targets[0].detectors[only]
    alone = report.targets[0].detectors[only]
    assert (alone.flag, alone.stop, alone.auroc) == (both.flag, both.stop, both.auroc)
    assert report.streams is not None and report.streams.groups[0].stopped == alone.stop.found


def test_a_file_of_clean_texts(tmp_path: Path) -> None:
    report = evaluate(tmp_path, columns=Columns(labels=()))
    (anything,) = report.targets
    assert (anything.harmful, anything.clean) == (0, 11)
    assert anything.detectors["together"].stop.fpr.share == pytest.approx(6 / 11, abs=1e-6)
    assert anything.detectors["together"].auroc is None and report.streams is None


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row has both"):
        evaluate(tmp_path, [("x", "ignore")])
    with pytest.raises(InputError, match="'plain' does not use nothing"):
        evaluate(tmp_path, detectors=("nothing",))


def test_the_same_run_gives_the_same_report(tmp_path: Path) -> None:
    options = {"cutting": Cutting(even=False, seed=7), "columns": ONE_TARGET}
    first, second = (evaluate(tmp_path, **options) for _ in range(2))
    assert every_form(first) == every_form(second)


def test_the_json_reads_back(report: Report) -> None:
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def every_form(report: Report) -> list[str]:
    return [msgspec.json.encode(report).decode(), to_markdown(report), to_html(report, plots(report))]


def test_no_form_has_a_text_unless_it_was_asked_for(tmp_path: Path) -> None:
    wrong = ("看不出来", "说坏话不好")
    for form in every_form(evaluate(tmp_path, columns=ONE_TARGET)):
        assert not any(text in form for text, _ in ROWS)
    for form in every_form(evaluate(tmp_path, columns=ONE_TARGET, show_text=True)):
        assert all(text in form for text in wrong)


def test_a_text_cannot_become_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>|[x](http://e.x)\n\x1b[31m坏"
    report = evaluate(tmp_path, [(evil, "clean"), ("坏。", "bad")], show_text=True)
    _, markdown, page = every_form(report)
    assert "<script" not in page and "&lt;script&gt;" in page and "\x1b" not in page
    assert "<script" not in markdown and "[x](" not in markdown and "\x1b" not in markdown
    lines = [line for line in markdown.splitlines() if "script" in line]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [7, 7]  # for any harm, and for `bad`


def test_no_name_gets_out_of_its_line(report: Report) -> None:
    evil = "\x1b[2J\n# x\x9b|y\u202e<b>"
    first, *rest = report.targets
    named = [msgspec.structs.replace(target, name=f"{target.name}{evil}", risk="") for target in rest]
    file = msgspec.structs.replace(report.file, name=visible(evil))
    for form in every_form(msgspec.structs.replace(report, targets=[first, *named], file=file))[1:]:
        assert not any(c in form for c in "\x1b\x9b\u202e") and "\n# x" not in form and "<b>[" not in form
    for section in sections(msgspec.structs.replace(report, targets=[first, *named])):
        cells = [cell for table in section.tables for row in (table.columns, *table.rows) for cell in row]
        assert all(map(str.isprintable, (section.title, *section.notes, *cells)))


def test_the_documents_have_calibration_and_headings(report: Report) -> None:
    markdown, page = to_markdown(report), to_html(report, {})
    assert markdown.count("#### Calibration of the classifier") == page.count("<h3>Calibration of the classifier") == 2
    for title in ("Worst examples: harmful, missed", "Worst examples: clean, acted on"):
        assert f"#### {title}\n" in markdown and f"<h3>{title}</h3>" in page
    (bad,) = (section for section in sections(report) if section.key == "target-bad")
    (bins,) = (table.rows for table in bad.tables if table.title.startswith("Calibration"))
    assert len(bins) == 10 and bins[0] == ["0.0–0.1", "4", "0.010", "0.250"]


def test_the_release_unit_is_named_only_where_it_counts(tmp_path: Path, report: Report) -> None:
    assert "release unit sentence" in to_markdown(report)
    assert "release unit" not in to_markdown(evaluate(tmp_path, detectors=("lexicon",), cutting=Cutting()))


class Page(HTMLParser):
    """Elements that are open, ids, and what is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta",):
            self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_sound_and_needs_nothing_from_elsewhere(report: Report) -> None:
    page = Page(to_html(report, plots(report)))
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    assert page.links and all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    bare = to_html(report, {})
    assert "<svg" not in bare and Page(bare).links == []


def test_plots_are_drawn_where_there_is_something_to_draw(report: Report, tmp_path: Path) -> None:
    assert set(plots(report)) == {"target-any", "target-bad", "target-biased", "target-A.1.h", "streams"}
    assert plots(evaluate(tmp_path, columns=Columns(labels=()))) == {}
    assert set(plots(evaluate(tmp_path, columns=ONE_TARGET))) == {"target-any", "target-bad"}


def test_every_table_is_whole(report: Report) -> None:
    for section in sections(report):
        for table in section.tables:
            assert {len(row) for row in table.rows} == {len(table.columns)}, section.title
