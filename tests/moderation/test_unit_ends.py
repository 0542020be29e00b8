"""A channel that ends where a unit has ended has no unit more."""

from __future__ import annotations

import pytest

from support.marks import PlainMarks, mark_detectors


@pytest.mark.parametrize("pieces", [["坏。"], ["坏。", ""], ["坏。好", "。", ""], [""]])
def test_an_empty_end_is_no_unit(pieces: list[str]) -> None:
    detectors = mark_detectors(PlainMarks())
    scan = detectors.window_scan(detectors.policy.profile("plain"))
    assert scan is not None
    units = [scan.feed(piece, ends=piece.endswith("。") or not piece, now=0.0) for piece in pieces]
    assert [unit is None for unit in units] == [not piece or not piece.endswith("。") for piece in pieces]
    assert all(unit.text for unit in units if unit is not None)
