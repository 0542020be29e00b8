"""Moderates whole texts, without a broker: the same detectors, profiles and decisions as on a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from sluice import shipped
from sluice.contract.decision import Finding, Versions
from sluice.lexicon.lexicon import Lexicon
from sluice.moderation.detector import Passage, Scorer
from sluice.moderation.detectors import Detectors
from sluice.moderation.windows import Window
from sluice.policy import Policy, Profile
from sluice.text.units import UnitCutter

__all__ = ["Action", "Moderation", "Moderator"]

Action = Literal["release", "flag", "stop"]

_BATCH_TEXTS = 256
"""Texts whose windows are scored in one call of the model."""


class Moderation(msgspec.Struct, frozen=True):
    """What was decided about one text."""

    action: Action
    findings: list[Finding]
    """Ordered by start, then end; only those that the profile flags or stops."""
    scores: dict[str, float]
    """By classifier head: the highest probability of any unit of the text. Empty without the classifier."""
    versions: Versions


class Moderator:
    """Checks texts under one profile. Thread-safe for reading; make one and keep it.

    >>> moderator = Moderator()
    >>> moderator.check("今天天气很好。").action
    'release'
    """

    def __init__(
        self,
        profile: str = "default",
        *,
        policy: Policy | None = None,
        lexicon: Path | Lexicon | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        """Load what is needed; what is not given is the shipped one.

        Raises:
            InputError: the profile is not in the policy, or a file is not what it must be.
        """
        policy = policy or Policy.shipped()
        self.profile: Profile = policy.profile(profile)
        if not isinstance(lexicon, Lexicon):
            lexicon = Lexicon.load(lexicon or shipped.lexicon_directory(), today=date.today())
        if "classifier" not in self.profile.detectors:
            scorer = None
        elif scorer is None:
            # Here, not above: a profile without the classifier must work where ONNX Runtime is not installed.
            from sluice.classifier import load_model

            scorer = load_model(shipped.model_directory())
        self._detectors = Detectors(lexicon, scorer, policy, only=(profile,))
        self.versions = self._detectors.versions

    def check(self, text: str) -> Moderation:
        """Moderate one whole text."""
        return self.check_batch([text])[0]

    def check_many(self, texts: Iterable[str]) -> Iterator[Moderation]:
        """Moderate texts in order, in batches; lazily, so the input may be endless."""
        source = iter(texts)
        while batch := list(islice(source, _BATCH_TEXTS)):
            yield from self.check_batch(batch)

    def check_batch(self, texts: Sequence[str]) -> list[Moderation]:
        """Moderate texts together; one call of the model serves them all."""
        found: list[list[Finding]] = []
        scans = [self._detectors.window_scan(self.profile) for _ in texts]
        windows: list[tuple[int, Window]] = []
        for index, (text, scan) in enumerate(zip(texts, scans, strict=True)):
            found.append(list(self._detectors.lexicon_scan().feed(text, final=True).findings))
            if scan is None:
                continue
            start = 0
            ends = UnitCutter(self.profile.unit_chars).cut(text)
            for end in ends if ends and ends[-1] == len(text) else [*ends, len(text)]:
                window = scan.feed(text[start:end], True, 0.0)
                if window is not None:
                    windows.append((index, window))
                start = end
        highest: list[dict[str, float]] = [{} for _ in texts]
        scorer = self._detectors.scorer
        if scorer is not None and windows:
            scores = scorer.score([Passage(window.text) for _, window in windows])
            names = [head.name for head in scorer.heads]
            for row, (index, window) in zip(scores, windows, strict=True):
                scan = scans[index]
                if scan is not None:
                    found[index] += scan.scored(window, row).findings
                best = highest[index]
                for name, score in zip(names, row.tolist(), strict=True):
                    if score > best.get(name, -1.0):
                        best[name] = score
        return [self._moderation(findings, best) for findings, best in zip(found, highest, strict=True)]

    def _moderation(self, findings: list[Finding], scores: dict[str, float]) -> Moderation:
        verdicts = [(self.profile.judge(finding), finding) for finding in findings]
        kept = sorted((f for v, f in verdicts if v != "pass"), key=lambda f: (f.start, f.end, f.source, f.rule))
        reached = {verdict for verdict, _ in verdicts}
        action: Action = "release"
        if "stop" in reached and self.profile.mode != "monitor":
            action = "stop"
        elif reached & {"stop", "flag"}:
            action = "flag"
        return Moderation(action, kept, scores, self.versions)
