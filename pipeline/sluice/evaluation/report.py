"""What an evaluation found, as `report.json` holds it. No text is in it unless it was asked for."""

from __future__ import annotations

import msgspec

from sluice.contract.decision import Versions
from sluice.evaluation.measures import Confusion, wilson
from sluice.evaluation.scores import Bin, Point

__all__ = [
    "SCHEMA",
    "Calibration",
    "Cause",
    "DetectorReport",
    "Example",
    "File",
    "Group",
    "Level",
    "Quantiles",
    "Rate",
    "Report",
    "Said",
    "Settings",
    "StreamReport",
    "TargetReport",
    "known",
]

SCHEMA = 1
"""Goes up when a field changes its meaning or goes away; new fields may come without it."""


def known(value: float) -> float | None:
    """A measure, rounded; None where it cannot be told."""
    return None if value != value else round(value, 6)


class Rate(msgspec.Struct, frozen=True):
    """A share, and the bounds within which it lies with 95 % confidence."""

    share: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, hits: int, texts: int) -> Rate:
        """From counts; all None where there is nothing to count."""
        low, high = wilson(hits, texts)
        return cls(known(hits / texts) if texts else None, known(low), known(high))


class Level(msgspec.Struct, frozen=True):
    """What became of texts at one threshold of the profile."""

    found: int
    missed: int
    alarms: int
    passed: int
    precision: float | None
    recall: Rate
    f1: float | None
    macro_f1: float | None
    accuracy: float | None
    fpr: Rate

    @classmethod
    def of(cls, c: Confusion) -> Level:
        """All that the four counts say."""
        both = bool(c.harmful and c.clean)
        return cls(
            c.found,
            c.missed,
            c.alarms,
            c.passed,
            precision=known(c.precision),
            recall=Rate.of(c.found, c.harmful),
            f1=known(c.f1) if c.harmful else None,
            macro_f1=known(c.macro_f1) if both else None,
            accuracy=known(c.accuracy),
            fpr=Rate.of(c.alarms, c.clean),
        )


class Calibration(msgspec.Struct, frozen=True):
    """How far scores are probabilities, under the mix of harmful and clean texts that the file has."""

    error: float | None
    """Expected calibration error."""
    brier: float | None
    bins: list[Bin]


class DetectorReport(msgspec.Struct, frozen=True):
    """One detector, or both together, on one target."""

    flag: Level
    """Taken as found: what the profile flags or stops."""
    stop: Level
    """Taken as found: what the profile stops."""
    auroc: float | None
    average_precision: float | None
    roc: list[Point]
    precision_recall: list[Point]
    calibration: Calibration | None = None
    """Of a single head of the classifier; no other score is a probability."""


class Example(msgspec.Struct, frozen=True):
    """A text that was judged wrongly."""

    line: int
    hash: str
    """Keyed hash of the folded text."""
    score: float
    """The highest, of any detector, for the target."""
    characters: int
    found: list[str]
    """Terms and heads that the profile acted on."""
    text: str = ""
    """Only where it was asked for; lone surrogates, which no file can hold, replaced."""


class TargetReport(msgspec.Struct, frozen=True):
    """Everything on one target."""

    name: str
    risk: str
    harmful: int
    clean: int
    flag_at: float | None
    """The profile's thresholds for the risk; None where there is none, or several."""
    stop_at: float | None
    detectors: dict[str, DetectorReport]
    """By `lexicon`, `classifier`, `together`."""
    missed: list[Example]
    """Harmful texts that nothing acted on, lowest score first."""
    alarms: list[Example]
    """Clean texts that something acted on, highest score first."""


class Cause(msgspec.Struct, frozen=True):
    """A term or head that acted on clean texts."""

    source: str
    rule: str
    flagged: int
    """Clean texts that it flagged or stopped."""
    stopped: int


class Said(msgspec.Struct, frozen=True):
    """One cell of the table of confusions."""

    label: str
    found: str
    """The target with the highest score of those acted on; `nothing` or `other`."""
    texts: int


class Quantiles(msgspec.Struct, frozen=True):
    """Of a number that each stream has."""

    p50: float
    p90: float
    p99: float
    most: float
    mean: float


class Group(msgspec.Struct, frozen=True):
    """Streams that have one label."""

    name: str
    streams: int
    acted: int
    """Flagged or stopped."""
    stopped: int
    at_prompt: int
    """Of the stopped: before the answer began, for what the prompt says."""
    seen_share: Quantiles | None
    """Of the streams that were acted on: share of the text that was written before the first finding."""
    delay: Quantiles | None
    """The same in characters, from where the violation begins."""
    shown: Quantiles | None
    """Of the stopped: characters that the reader had seen by then."""
    leaked: int
    """Stopped streams of whose violation the reader saw a part."""
    leaked_most: int
    """The longest such part, in characters."""
    withdrawn: int
    """Streams with a sentence that the profile would have acted on before it was whole, and that passed in the end."""
    seen_bins: list[int]
    """Of `seen_share`, 20 bins of the same width."""
    delay_bins: list[int]
    """Of `delay`, as `StreamReport.delay_edges` says."""


class StreamReport(msgspec.Struct, frozen=True):
    """What happened when every text came in pieces."""

    delta_chars: int
    cut: str
    """`even` or `random`."""
    seed: int
    characters_per_second: float
    mode: str
    release_unit: str
    groups: list[Group]
    """`harmful` and `clean`, then by target."""
    delay_edges: list[int]
    """Upper bounds of `Group.delay_bins`, none for the last."""


class File(msgspec.Struct, frozen=True):
    """What was read."""

    name: str
    """Without its folder, and what does not print replaced."""
    sha256: str
    rows: int
    evaluated: int
    bad: int
    ignored: int
    spans: bool
    """Whether it says where violations begin."""
    unscanned: int = 0
    """Evaluated texts of which some was passed although the model, which failed, gave no scores for it."""


class Settings(msgspec.Struct, frozen=True):
    """What was asked for."""

    profile: str
    detectors: list[str]
    keyed: bool
    """Whether the hashes compare with those of other runs."""


class Report(msgspec.Struct, frozen=True):
    """An evaluation."""

    schema: int
    sluice: str
    """Version of Sluice."""
    versions: Versions
    file: File
    settings: Settings
    targets: list[TargetReport]
    """Any harm first."""
    confusion: list[Said]
    false_positives: list[Cause]
    """Most texts first."""
    streams: StreamReport | None = None
