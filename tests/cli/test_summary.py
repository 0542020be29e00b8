"""The summary of an evaluation fits a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sluice.cli.summary import print_summary
from sluice.evaluation.evaluator import Evaluator
from sluice.evaluation.mapping import Columns, Labeller
from sluice.evaluation.replay import Cutting
from sluice.evaluation.report import Report
from sluice.evaluation.rows import LabelledFile
from sluice.evaluation.view import sections
from support.marks import MarkScorer, mark_detectors


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    world, columns = mark_detectors(), Columns()
    path = tmp_path_factory.mktemp("summary") / "in.csv"
    path.write_text("text,label\n这个坏人。,bad\n有偏见。,biased\n今天很好。,clean\n说坏话不好。,clean\n")
    evaluator = Evaluator(
        "plain", policy=world.policy, lexicon=world.lexicon, scorer=MarkScorer(), cutting=Cutting(), hash_key=b"k"
    )
    labeller = Labeller(columns.labels, evaluator.targets)
    file = LabelledFile(path, columns, labeller, kind="csv", on_error=pytest.fail)
    return evaluator.run(file, "in.csv", columns, labeller)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_no_word_is_broken_and_none_is_missing(report: Report, width: int) -> None:
    screen = Console(file=io.StringIO(), width=width)
    print_summary(report, screen)
    assert isinstance(screen.file, io.StringIO)
    printed = screen.file.getvalue()
    assert max(map(len, printed.splitlines())) <= width
    words = set(printed.split())
    for section in (section for section in sections(report) if section.brief):
        for table in section.tables:
            for place in set(range(len(table.columns))) - set(table.wide):
                assert set(table.columns[place].split()) <= words
                assert place < table.left or {row[place] for row in table.rows} <= words
    assert {"ECE", "Brier"} <= words
