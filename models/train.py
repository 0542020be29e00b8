"""Trains the default model and writes its model directory: a cascade of a cheap and a strong member.

    python models/train.py --data DIR --work DIR --out models/default

`--data` holds the third-party sets, one folder per set (see `data.py`); what is fetched and made on the way is kept in
`--work`, so that a training that broke off is taken up again. A few hours on two cores; the stages are

1. fine-tune the base encoder (`finetune.py`), with several heads at once and losses only where a set labels a head;
2. calibrate it on texts that it was not trained on;
3. teach its scores to a linear model of n-grams (`distil.py`), and calibrate that in the same way;
4. choose from which cheap score on the strong member is asked;
5. write both, and check what was written against what was trained.
"""

from __future__ import annotations

import argparse
import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

import base
import corpus
import export
import fit
import pack
from augment import Augmenter
from data import OWN, Example, load, named_files, own_texts, stable_fraction
from distil import Lesson, distil
from encoder import Encoder, Reader, fastest_device, logits_of
from finetune import PHASES, fine_tune, label_row, times
from heads import HEADS
from sluice.classifier import load_model
from sluice.classifier.manifest import Calibration, Thresholds, Training
from sluice.moderation.detector import Passage

Floats = NDArray[np.float64]

MIX = {"harm": 0.2 / len(HEADS), "contrast": 0.2, "neutral": 0.6}
"""Shares under which a head's score is a probability: one sentence in five violates, on one head or another."""
MIX_SAID = "one text in five violates, on one head or another; one is clean, near the subject; three are ordinary"

IN_DOUBT = 0.025
"""Share of ordinary sentences that the strong member is asked about."""
CALIBRATION_TEXTS = 2_500
"""Of each source of ordinary text."""
LESSON_SHARE = 0.3
"""Share of the labelled public texts that the strong member is asked about for the cheap member's lesson."""

THRESHOLDS = Thresholds(flag=0.7, stop=0.9, note="Measured on the sources of MODEL_CARD.md; a profile decides.")


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the third-party sets")
    parser.add_argument("--texts", type=Path, default=Path(__file__).parent / "texts", help="the project's own texts")
    parser.add_argument("--work", type=Path, required=True, help="base encoder and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--name", default="sluice-default-2")
    parser.add_argument("--created", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--ordinary", nargs="*", default=[], metavar="NAME=FILE", help="more ordinary text to learn from"
    )
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SOURCE", help="train without these sources")
    args = parser.parse_args()

    examples = load(args.data, args.texts, named_files(args.ordinary), frozenset(args.leave_out))
    drawn, unseen = _split(examples, args.seed)
    apart = _apart(unseen, own_texts(args.texts, "calibrate"))
    print(f"{len(drawn)} texts to train on, {len(apart)} to calibrate on, {len(unseen)} ordinary ones not drawn")

    base.fetch(args.work / "base")
    tokenizer = base.small_tokenizer(args.work / "base")
    reader = Reader.of(tokenizer)
    torch.manual_seed(args.seed)
    model = Encoder(base.load_encoder(args.work / "base", tokenizer["model"]["vocab"]), len(HEADS)).to(fastest_device())
    fine_tune(model, reader, examples, seed=args.seed, checkpoints=args.work / "checkpoints")

    strong_logits = logits_of(model, reader.rows(*_columns(apart))).astype(np.float64)
    slope, offset = _calibrate(strong_logits, apart)
    training = Training(
        sources=dict(sorted(Counter(example.source for example in drawn).items())),
        harmful={head: sum(example.labels.get(head) == 1 for example in drawn) for head in HEADS},
    )
    common = {"created": args.created, "training": training, "thresholds": THRESHOLDS}
    pack.write_strong(
        args.out / pack.STRONG,
        model.cpu(),
        tokenizer,
        name=f"{args.name}-strong",
        calibration=Calibration("platt", MIX_SAID, pack.by_head(slope), pack.by_head(offset)),
        **common,
    )
    strong = load_model(args.out / pack.STRONG)
    moved = np.abs(strong.score(_passages(apart)) - expit(strong_logits * slope + offset))
    print(
        f"strong member as written: scores {moved.mean():.4f} apart on average, at most "
        f"{np.quantile(moved, 0.999):.3f} for 999 in 1,000"
    )

    lesson = _lesson(drawn, unseen, args.seed)
    asked = [n for n, e in enumerate(lesson) if e.source == OWN or (e.kind != "neutral" and _by_lot(e, LESSON_SHARE))]
    scores = np.full((len(lesson), len(HEADS)), np.nan, dtype=np.float32)
    logits = logits_of(model.to(fastest_device()), reader.rows([""] * len(asked), [lesson[n].text for n in asked]))
    scores[asked] = expit(logits * slope + offset)
    linear, vocabulary = distil(
        Lesson(
            [example.text for example in lesson],
            np.array([label_row(example) for example in lesson], dtype=np.float32),
            scores,
            np.array([example.source == OWN for example in lesson]),
        )
    )
    cheap_logits = corpus.matrix([example.text for example in apart], vocabulary) @ linear.weights + linear.bias
    cheap_slope, cheap_offset = _calibrate(cheap_logits.astype(np.float64), apart)
    linear = export.Linear(
        linear.heads, linear.weights, linear.bias, cheap_slope.astype(np.float32), cheap_offset.astype(np.float32)
    )
    export.write(args.out / pack.CHEAP, linear, vocabulary, name=f"{args.name}-cheap", mix=MIX_SAID, **common)

    cheap = load_model(args.out / pack.CHEAP)
    doubt = choose_doubt(cheap.score(_passages([e for e in apart if e.kind == "neutral"])))
    pack.write_cascade(args.out, name=args.name, doubt=dict.fromkeys(HEADS, doubt), mix=MIX_SAID, **common)
    harmful = [example for example in apart if example.kind == "harm"]
    found = (cheap.score(_passages(harmful)) >= doubt).any(axis=1).mean()
    print(
        f"doubt from {doubt:.4f} on: {IN_DOUBT:.0%} of ordinary sentences and {found:.1%} of harmful ones are judged "
        "by the strong member"
    )
    load_model(args.out)


def choose_doubt(scores: NDArray[np.float32]) -> float:
    """The cheap score, the same for every head, that `IN_DOUBT` of ordinary sentences reach on any head.

    Rounded down, and at most the threshold of a flag, above which a cheap score alone must never decide.
    """
    found = float(np.quantile(scores.max(axis=1), 1 - IN_DOUBT))
    return min(float(np.floor(found * 10_000) / 10_000), THRESHOLDS.flag)


def _split(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Texts that some phase of the training draws, and ordinary ones that none does."""
    drawn, rest = [], []
    for example in examples:
        used = any(times(example, phase, seed + number) for number, phase in enumerate(PHASES))
        (drawn if used else rest).append(example)
    return drawn, [example for example in rest if example.kind == "neutral"]


def _apart(unseen: Sequence[Example], own: Sequence[Example]) -> list[Example]:
    """What to calibrate on: own texts kept from training, and some of each source of ordinary text."""
    return [*own, *(unseen[n] for n in _few(unseen))]


def _few(unseen: Sequence[Example]) -> list[int]:
    counts = Counter(example.source for example in unseen)
    return [n for n, e in enumerate(unseen) if _by_lot(e, CALIBRATION_TEXTS / counts[e.source])]


def _by_lot(example: Example, share: float) -> bool:
    return stable_fraction(example.text) < share


def _lesson(drawn: Sequence[Example], unseen: Sequence[Example], seed: int) -> list[Example]:
    """Texts for the cheap member: those of the training, the own ones also in disguise, and more ordinary ones, but for
    those that it is calibrated on."""
    augmenter = Augmenter([], seed)
    own = [example for example in drawn if example.source == OWN]
    disguised = [replace(example, text=augmenter.disguise(example.text)) for example in own]
    apart = set(_few(unseen))
    return [*drawn, *disguised, *(example for n, example in enumerate(unseen) if n not in apart)]


def _calibrate(logits: Floats, apart: Sequence[Example]) -> tuple[Floats, Floats]:
    """Slope and offset of each head, `(heads,)`."""
    slopes, offsets = np.ones(len(HEADS)), np.zeros(len(HEADS))
    for column, head in enumerate(HEADS):
        labels = np.array([example.labels.get(head, -1) for example in apart], dtype=np.int8)
        known = labels >= 0
        slopes[column], offsets[column] = fit.platt(
            logits[known, column], labels[known], _mix_weights(apart, labels)[known]
        )
    return slopes, offsets


def _mix_weights(apart: Sequence[Example], labels: NDArray[np.int8]) -> Floats:
    """What each text counts for when a head is calibrated, so that the groups have the shares of `MIX`.

    Texts written for other heads count as contrast. Within a group every source counts the same.
    """
    neutral = np.array([example.kind == "neutral" for example in apart])
    source = np.array([example.source for example in apart])
    weights = np.zeros(len(apart))
    groups = {"harm": labels == 1, "contrast": (labels == 0) & ~neutral, "neutral": neutral}
    for name, group in groups.items():
        sources = sorted(set(source[group]))
        for one in sources:
            part = group & (source == one)
            weights[part] = MIX[name] / len(sources) / part.sum()
    return weights


def _columns(examples: Sequence[Example]) -> tuple[list[str], list[str]]:
    return [example.context for example in examples], [example.text for example in examples]


def _passages(examples: Sequence[Example]) -> list[Passage]:
    return [Passage(example.text, example.context) for example in examples]


if __name__ == "__main__":
    main()
