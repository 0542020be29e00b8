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
from sluice.errors import UnavailableError
from sluice.lexicon.lexicon import Lexicon
from sluice.moderation.detector import Scorer
from sluice.moderation.detectors import Detectors
from sluice.moderation.scores import attempt
from sluice.moderation.units import Skimming, Unit, take_judgement
from sluice.moderation.windows import Progress, WindowScan
from sluice.policy import Policy, Profile
from sluice.text.units import UnitCutter

__all__ = ["Action", "Moderation", "Moderator"]

Action = Literal["release", "flag", "stop"]

_BATCH_TEXTS = 256
"""Texts that are moderated together."""


class Moderation(msgspec.Struct, frozen=True):
    """What was decided about one text."""

    action: Action
    findings: list[Finding]
    """Ordered by start, then end; only those that the profile flags or stops."""
    scores: dict[str, float]
    """By classifier head: the highest probability of any unit of the text. Empty without the classifier."""
    versions: Versions
    unscanned: bool = False
    """Whether some of it was passed although the model gave no scores for it: the profile fails open."""


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

    def check(self, text: str, *, prompt: str = "") -> Moderation:
        """Moderate one whole text; its first sentence is judged with the end of `prompt` before it.

        Raises:
            UnavailableError: the model fails, or gives what are no probabilities, and the profile fails closed.
        """
        return self.check_batch([text], [prompt])[0]

    def check_many(self, texts: Iterable[str]) -> Iterator[Moderation]:
        """Moderate texts in order, in batches; lazily, so the input may be endless.

        Raises: as `check` does.
        """
        source = iter(texts)
        while batch := list(islice(source, _BATCH_TEXTS)):
            yield from self.check_batch(batch)

    def check_batch(self, texts: Sequence[str], prompts: Sequence[str] | None = None) -> list[Moderation]:
        """Moderate texts together, so that one call of the model serves them all; each perhaps with its prompt.

        Raises: as `check` does, for all of them.
        """
        found = [list(self._detectors.lexicon_scan().feed(text, final=True).findings) for text in texts]
        highest: list[dict[str, float]] = [{} for _ in texts]
        unscanned = [False] * len(texts)
        scorer = self._detectors.scorer
        if scorer is not None:
            scans = [self._read(text, prompt) for text, prompt in zip(texts, prompts or [""] * len(texts), strict=True)]
            names = [head.name for head in scorer.heads]
            for index, progress in _settle(scorer, scans):
                unscanned[index] |= progress.unscanned > 0
                best = highest[index]
                for unit, findings in progress.settled:
                    found[index] += findings
                    if unit.answer is not None:
                        for name, score in zip(names, unit.answer.tolist(), strict=True):
                            if score > best.get(name, -1.0):
                                best[name] = score
        return [self._moderation(*one) for one in zip(found, highest, unscanned, strict=True)]

    def _read(self, text: str, prompt: str) -> WindowScan:
        """A detector that has read all of a text."""
        context = self._scan(prompt).tail if prompt else ""
        return self._scan(text, context)

    def _scan(self, text: str, context: str = "") -> WindowScan:
        scan = self._detectors.window_scan(self.profile, context=context)
        assert scan is not None  # noqa: S101 - there is a scorer
        start = 0
        ends = UnitCutter(self.profile.unit_chars).cut(text)
        for end in ends if ends and ends[-1] == len(text) else [*ends, len(text)]:
            scan.feed(text[start:end], True, 0.0)
            start = end
        return scan

    def _moderation(self, findings: list[Finding], scores: dict[str, float], unscanned: bool) -> Moderation:
        verdicts = [(self.profile.judge(finding), finding) for finding in findings]
        kept = sorted((f for v, f in verdicts if v != "pass"), key=lambda f: (f.start, f.end, f.source, f.rule))
        reached = {verdict for verdict, _ in verdicts}
        action: Action = "release"
        if "stop" in reached and self.profile.mode != "monitor":
            action = "stop"
        elif reached & {"stop", "flag"}:
            action = "flag"
        return Moderation(action, kept, scores, self.versions, unscanned)


def _settle(scorer: Scorer, scans: Sequence[WindowScan]) -> Iterator[tuple[int, Progress]]:
    """Score what was read: what becomes certain, each with the number of its text.

    Raises:
        UnavailableError: the model has no scores for a text, and the profile fails closed.
    """
    heads = len(scorer.heads)
    answers: list[object] = []
    if scorer.skimmer is not None:
        skimming = Skimming(scans)
        answers.append(attempt(scorer.skimmer.skim, skimming.states, skimming.pieces))
        skimming.take(0, len(skimming.units), answers[-1], heads)
    asks: list[Unit] = []
    for index, scan in enumerate(scans):
        progress = _unblocked(scan.advance(scan.length), answers)
        asks += progress.asks
        yield index, progress
    if not asks:
        return
    answers.append(attempt(scorer.judge, [unit.passage for unit in asks]))
    take_judgement(asks, answers[-1], heads)
    for index, scan in enumerate(scans):
        yield index, _unblocked(scan.advance(), answers)


def _unblocked(progress: Progress, answers: Sequence[object]) -> Progress:
    if progress.blocked is not None:
        raised = next((answer for answer in answers if isinstance(answer, BaseException)), None)
        raise UnavailableError("the model gave no scores for a text that must not pass without") from raised
    return progress
