"""Evaluates detectors on a labelled file, whole texts and streams, in one pass over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path

import msgspec

import sluice
from sluice import shipped
from sluice.errors import InputError
from sluice.evaluation.mapping import Columns, Labeller
from sluice.evaluation.replay import Cutting, Replay
from sluice.evaluation.report import SCHEMA, File, Report, Settings
from sluice.evaluation.rows import LabelledFile, Row
from sluice.evaluation.streams import Streams
from sluice.evaluation.targets import Targets
from sluice.evaluation.whole import Part, WholeTexts
from sluice.lexicon.lexicon import Lexicon
from sluice.moderation.detector import Head, Scorer
from sluice.moderation.detectors import Detectors, keyed_hasher, without_classifier
from sluice.moderation.moderator import Moderator
from sluice.policy import Policy
from sluice.policy.profile import DetectorName
from sluice.text.visible import visible

__all__ = ["EXAMPLES", "Evaluator"]

EXAMPLES = 10
"""Wrongly judged texts that are listed, of each kind and target."""

_BATCH_TEXTS = 256
"""Texts that are moderated together."""


class Evaluator:
    """What is evaluated: a profile, a lexicon and a model. Takes one file."""

    def __init__(
        self,
        profile: str = "default",
        *,
        policy: Policy | None = None,
        lexicon: Path | Lexicon | None = None,
        model: Path | None = None,
        scorer: Scorer | None = None,
        detectors: Sequence[DetectorName] = ("lexicon", "classifier"),
        hash_key: bytes | None = None,
        cutting: Cutting | None = None,
        examples: int = EXAMPLES,
        show_text: bool = False,
    ) -> None:
        """Load what is needed; what is not given is the shipped one.

        Args:
            scorer: a model that is loaded already.
            detectors: those to run; what the profile itself leaves out is not run either.
            hash_key: of the hashes in the report; without one they compare only within it.
            cutting: how texts become streams; None: whole texts only.
            examples: wrongly judged texts to list, of each kind and target.
            show_text: put their text into the report.

        Raises:
            InputError: the profile is not in the policy, or a file is not what it must be.
        """
        policy = policy or Policy.shipped()
        run = [name for name in policy.profile(profile).detectors if name in detectors]
        if not run:
            raise InputError(f"profile {profile!r} does not use {' or '.join(detectors)}")
        if "classifier" in run:
            scorer = scorer or _load_model(model)
        else:
            policy = without_classifier(policy)
        if "lexicon" not in run:
            lexicon = Lexicon([])
        elif not isinstance(lexicon, Lexicon):
            lexicon = Lexicon.load(lexicon or shipped.lexicon_directory(), today=date.today())
        heads = scorer.heads if scorer is not None else _heads_of(model)
        used = scorer if "classifier" in run else None
        self._moderator = Moderator(profile, policy=policy, lexicon=lexicon, scorer=used)
        self._profile = self._moderator.profile
        hasher = keyed_hasher(hash_key)
        self.targets = Targets(heads)
        """What labels may name."""
        parts: list[Part] = [*run, "together"] if len(run) > 1 else [*run]
        self._whole = WholeTexts(self.targets, self._profile, parts, hasher, examples=examples, show_text=show_text)
        self._cutting = cutting
        self._streams = Streams(self.targets)
        self._replay = None
        if cutting is not None:
            made = Detectors(lexicon, used, policy, hasher=hasher, only=(profile,))
            self._replay = Replay(made, self._profile, cutting)
        gone = {field: "" for name, field in (("lexicon", "lexicon"), ("classifier", "model")) if name not in run}
        self._versions = msgspec.structs.replace(self._moderator.versions, **gone)
        self._settings = Settings(profile, list(run), keyed=hash_key is not None)

    def run(self, file: LabelledFile, name: str, columns: Columns, labeller: Labeller) -> Report:
        """Read the file and measure.

        Args:
            name: of the file, as the report is to show it.

        Raises:
            InputError: it cannot be read, or there is nothing in it to measure.
        """
        name = visible(name)
        named = labeller.named
        for rows in _batches(file.rows()):
            moderations = self._moderator.check_batch([row.text for row in rows], [row.prompt for row in rows])
            self._whole.add(rows, moderations, named)
            if self._replay is not None:
                for row in rows:
                    self._streams.add(self._replay.add(row), named)
        if self._replay is not None:
            self._streams.add(self._replay.finish(), named)
        if not self._whole.texts:
            raise InputError(f"{name}: no row has both a text and a label that says something")
        read = File(
            name,
            file.sha256,
            rows=file.read,
            evaluated=self._whole.texts,
            bad=file.bad,
            ignored=file.ignored,
            spans=columns.span is not None,
            unscanned=self._whole.unscanned,
        )
        return Report(
            SCHEMA,
            sluice.__version__,
            self._versions,
            read,
            self._settings,
            targets=self._whole.reports(named),
            confusion=self._whole.confusion(),
            false_positives=self._whole.causes(),
            streams=None if self._cutting is None else self._streams.report(self._cutting, self._profile),
        )


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while batch := list(islice(source, _BATCH_TEXTS)):
        yield batch


def _load_model(directory: Path | None) -> Scorer:
    from sluice.classifier import load_model  # here, so that importing this brings in no ONNX Runtime

    return load_model(directory or shipped.model_directory())


def _heads_of(directory: Path | None) -> Sequence[Head]:
    """The heads that labels may name although no model runs."""
    from sluice.classifier import load_manifest

    return load_manifest(directory or shipped.model_directory()).heads
