"""Measures detectors on whole texts."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sluice.contract.decision import Source
from sluice.evaluation.measures import Confusion
from sluice.evaluation.report import Calibration, Cause, DetectorReport, Example, Level, Said, TargetReport, known
from sluice.evaluation.rows import Row
from sluice.evaluation.scores import Reliability, ScoreCounts
from sluice.evaluation.targets import ANY, Target, Targets
from sluice.moderation.moderator import Moderation
from sluice.policy import Profile
from sluice.text.fold import fold_text
from sluice.text.visible import well_formed

__all__ = ["Part", "WholeTexts"]

Part = Literal["lexicon", "classifier", "together"]

_PASS, _FLAG, _STOP = 0, 1, 2
_LEVELS = {"pass": _PASS, "flag": _FLAG, "stop": _STOP}
_CAUSES = 50
"""Terms and heads that are listed with their false positives."""


class _Tally:
    """One detector, or both, on one target."""

    def __init__(self, part: Part, target: Target) -> None:
        self.scores = ScoreCounts()
        self.flag = Confusion()
        self.stop = Confusion()
        # The highest of several probabilities is none itself.
        single = part == "classifier" and len(target.heads) == 1
        self.reliability = Reliability() if single else None

    def add(self, scores: NDArray[np.float64], levels: NDArray[np.int8], labels: NDArray[np.int8]) -> None:
        self.scores.add(scores, labels)
        self.flag.add(levels >= _FLAG, labels)
        self.stop.add(levels >= _STOP, labels)
        if self.reliability is not None:
            self.reliability.add(scores, labels)

    def report(self) -> DetectorReport:
        calibration = None
        if self.reliability is not None:
            reliability = self.reliability
            calibration = Calibration(known(reliability.error), known(reliability.brier), reliability.bins())
        return DetectorReport(
            Level.of(self.flag),
            Level.of(self.stop),
            known(self.scores.auroc),
            known(self.scores.average_precision),
            self.scores.roc(),
            self.scores.precision_recall(),
            calibration,
        )


class _Worst:
    """The few examples that rank highest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, Example]] = []

    def offer(self, rank: float, line: int, make: Callable[[], Example]) -> None:
        """Keep it if it is one of them; of equal ones the first in the file."""
        key = (rank, -line)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, (*key, make()))
        elif self._most and key > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (*key, make()))

    def examples(self) -> list[Example]:
        return [example for _, _, example in sorted(self._heap, reverse=True)]


class WholeTexts:
    """Takes rows with what was decided about them; memory does not grow with their number."""

    def __init__(
        self,
        targets: Targets,
        profile: Profile,
        parts: Sequence[Part],
        hasher: Callable[[str], str],
        *,
        examples: int,
        show_text: bool,
    ) -> None:
        """Count from zero.

        Args:
            parts: what to measure: one detector, or both and together.
            hasher: keyed hash of a folded text.
            examples: how many wrongly judged texts to keep, of each kind and target.
        """
        self._targets = targets
        self._profile = profile
        self._parts = tuple(parts)
        self._hash = hasher
        self._show_text = show_text
        self._tallies = [{part: _Tally(part, target) for part in parts} for target in targets.all]
        self._missed = [_Worst(examples) for _ in targets.all]
        self._alarms = [_Worst(examples) for _ in targets.all]
        self._confusion: Counter[tuple[str, str]] = Counter()
        self._flagged: Counter[tuple[Source, str]] = Counter()
        self._stopped: Counter[tuple[Source, str]] = Counter()
        self.texts = 0
        self.unscanned = 0

    def add(self, rows: Sequence[Row], moderations: Sequence[Moderation], named: set[int]) -> None:
        """Count rows.

        Args:
            named: the targets that labels have named so far; only these have examples.
        """
        if not rows:
            return
        self.texts += len(rows)
        self.unscanned += sum(moderation.unscanned for moderation in moderations)
        labels = np.stack([row.labels for row in rows])
        scores, levels = self._judged(moderations)
        for place, tallies in enumerate(self._tallies):
            some = np.flatnonzero(labels[:, place] >= 0)
            if some.size:
                for part, tally in tallies.items():
                    tally.add(scores[part][some, place], levels[part][some, place], labels[some, place])
        part = self._parts[-1]
        for n, (row, moderation) in enumerate(zip(rows, moderations, strict=True)):
            self._note(row, moderation, scores[part][n], levels[part][n], named)

    def _judged(
        self, moderations: Sequence[Moderation]
    ) -> tuple[dict[Part, NDArray[np.float64]], dict[Part, NDArray[np.int8]]]:
        """Score and level of every text for every target, each `(texts, targets)`, by part."""
        shape = (len(moderations), len(self._targets.all))
        scores: dict[Part, NDArray[np.float64]] = {p: np.zeros(shape) for p in ("lexicon", "classifier", "together")}
        levels: dict[Part, NDArray[np.int8]] = {p: np.zeros(shape, dtype=np.int8) for p in scores}
        if "classifier" in self._parts:
            names = self._targets.heads
            heads = np.array([[m.scores.get(name, 0.0) for name in names] for m in moderations]).reshape(shape[0], -1)
            for place, target in enumerate(self._targets.all):
                if target.heads:
                    scores["classifier"][:, place] = heads[:, list(target.heads)].max(axis=1)
        for n, moderation in enumerate(moderations):
            for finding in moderation.findings:
                part: Part = "lexicon" if finding.source == "lexicon" else "classifier"
                level = _LEVELS[self._profile.judge(finding)]
                for place in self._targets.about(finding):
                    levels[part][n, place] = max(levels[part][n, place], level)
                    if part == "lexicon":
                        scores[part][n, place] = max(scores[part][n, place], finding.score)
        for both in (scores, levels):
            np.maximum(both["lexicon"], both["classifier"], out=both["together"])
        return scores, levels

    def _note(
        self,
        row: Row,
        moderation: Moderation,
        scores: NDArray[np.float64],
        levels: NDArray[np.int8],
        named: set[int],
    ) -> None:
        for place in (0, *named):
            label, level = row.labels[place], levels[place]
            if label == 1 and level == _PASS:
                self._missed[place].offer(-scores[place], row.line, self._example(row, moderation, scores[place]))
            elif label == 0 and level > _PASS:
                self._alarms[place].offer(scores[place], row.line, self._example(row, moderation, scores[place]))
        if row.labels[0] == 0:
            causes: dict[tuple[Source, str], int] = {}
            for finding in moderation.findings:
                cause, reached = (finding.source, finding.rule), _LEVELS[self._profile.judge(finding)]
                causes[cause] = max(causes.get(cause, _PASS), reached)
            for cause, reached in causes.items():
                self._flagged[cause] += 1
                self._stopped[cause] += reached == _STOP
        said = [place for place in named if place and levels[place] > _PASS]
        best = max(said, key=lambda place: (scores[place], -place), default=None)
        found = self._targets.all[best].name if best is not None else "other" if levels[0] > _PASS else "nothing"
        harm = [self._targets.all[place].name for place in sorted(named) if place and row.labels[place] == 1]
        if not harm:
            harm = ["clean"] if row.labels[0] == 0 else [ANY] if row.labels[0] == 1 else []
        self._confusion.update((label, found) for label in harm)

    def _example(self, row: Row, moderation: Moderation, score: float) -> Callable[[], Example]:
        return lambda: Example(
            row.line,
            self._hash(fold_text(row.text)),
            round(float(score), 6),
            len(row.text),
            sorted({finding.rule for finding in moderation.findings}),
            well_formed(row.text) if self._show_text else "",
        )

    def reports(self, named: set[int]) -> list[TargetReport]:
        """Any harm, then every target that a label has named."""
        return [self._report(place, self._targets.all[place]) for place in (0, *sorted(named - {0}))]

    def _report(self, place: int, target: Target) -> TargetReport:
        tallies = self._tallies[place]
        counted = tallies[self._parts[0]].flag
        rule = self._profile.rule(target.risk) if target.risk.count(".") == 2 else None
        return TargetReport(
            target.name,
            target.risk,
            counted.harmful,
            counted.clean,
            flag_at=rule.flag if rule else None,
            stop_at=rule.stop if rule else None,
            detectors={part: tally.report() for part, tally in tallies.items()},
            missed=self._missed[place].examples(),
            alarms=self._alarms[place].examples(),
        )

    def confusion(self) -> list[Said]:
        """By label, then by what was found, most texts first."""
        rows = sorted(self._confusion.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
        return [Said(label, found, texts) for (label, found), texts in rows]

    def causes(self) -> list[Cause]:
        """What acted on clean texts, most texts first."""
        ordered = sorted(self._flagged.items(), key=lambda item: (-item[1], item[0]))
        return [Cause(*key, texts, self._stopped[key]) for key, texts in ordered[:_CAUSES]]
