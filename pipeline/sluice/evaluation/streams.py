"""Sums up what happened to streams, in bounded memory."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

from sluice.evaluation.replay import Cutting, Played
from sluice.evaluation.report import Group, Quantiles, StreamReport
from sluice.evaluation.targets import Targets
from sluice.policy import Profile

__all__ = ["Streams"]

_DELAY_EDGES = [0, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1_000]
_SHARE_BINS = 20
_SHARE_STEPS = 1_000
"""A share is kept to a thousandth, so that there are only so many values."""


class _Sum:
    """Streams with one label."""

    def __init__(self) -> None:
        self.streams = self.acted = self.stopped = self.at_prompt = 0
        self.leaked = self.leaked_most = self.withdrawn = 0
        self.seen: Counter[int] = Counter()
        self.delay: Counter[int] = Counter()
        self.shown: Counter[int] = Counter()

    def add(self, played: Played) -> None:
        self.streams += 1
        self.withdrawn += played.withdrawn > 0
        if played.acted_at is not None:
            self.acted += 1
            length = len(played.row.text)
            self.seen[round(_SHARE_STEPS * played.acted_at / length) if length else 0] += 1
            start = played.row.span[0] if played.row.span else 0
            self.delay[max(0, played.acted_at - start)] += 1
        if played.stopped:
            self.stopped += 1
            self.at_prompt += played.at_prompt
            self.shown[played.shown] += 1
            self.leaked += played.leaked > 0
            self.leaked_most = max(self.leaked_most, played.leaked)

    def report(self, name: str) -> Group:
        seen_bins, delay_bins = [0] * _SHARE_BINS, [0] * (len(_DELAY_EDGES) + 1)
        for share, streams in self.seen.items():
            seen_bins[min(share * _SHARE_BINS // _SHARE_STEPS, _SHARE_BINS - 1)] += streams
        for delay, streams in self.delay.items():
            delay_bins[bisect_left(_DELAY_EDGES, delay)] += streams
        return Group(
            name,
            self.streams,
            self.acted,
            self.stopped,
            self.at_prompt,
            _quantiles(self.seen, _SHARE_STEPS),
            _quantiles(self.delay),
            _quantiles(self.shown),
            self.leaked,
            self.leaked_most,
            self.withdrawn,
            seen_bins,
            delay_bins,
        )


def _quantiles(values: Counter[int], unit: int = 1) -> Quantiles | None:
    total = values.total()
    if not total:
        return None
    ordered = sorted(values.items())
    reached = list(accumulate(count for _, count in ordered))

    def at(percent: int) -> float:
        return ordered[bisect_left(reached, percent * total / 100)][0] / unit

    mean = sum(value * count for value, count in ordered) / total / unit
    return Quantiles(at(50), at(90), at(99), ordered[-1][0] / unit, round(mean, 4))


class Streams:
    """Takes streams that are over."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._harmful = _Sum()
        self._clean = _Sum()
        self._by_target: dict[int, _Sum] = {}

    def add(self, played: list[Played], named: set[int]) -> None:
        """Count streams; `named` are the targets that labels have named."""
        for one in played:
            labels = one.row.labels
            if labels[0] >= 0:
                (self._harmful if labels[0] else self._clean).add(one)
            for place in named:
                if place and labels[place] == 1:
                    self._by_target.setdefault(place, _Sum()).add(one)

    def report(self, cutting: Cutting, profile: Profile) -> StreamReport:
        """Harmful and clean streams, then by target."""
        groups = [self._harmful.report("harmful"), self._clean.report("clean")]
        groups += [one.report(self._targets.all[place].name) for place, one in sorted(self._by_target.items())]
        return StreamReport(
            cutting.delta_chars,
            "even" if cutting.even else "random",
            cutting.seed,
            cutting.characters_per_second,
            profile.mode,
            profile.release_unit,
            groups,
            _DELAY_EDGES,
        )
