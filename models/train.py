"""Trains the default model and writes its model directory. The same data give the same model: nothing is random.

    python models/train.py --data DIR --ordinary reviews=FILE --out models/default

`DIR` holds the third-party data, one folder per set (see `data.py`); `FILE` is more ordinary text, as the model card
says. Six minutes on one core; needs scipy and onnx beside Sluice itself.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from rich.progress import Progress

import corpus
import export
import fit
from data import OWN, Example, load, stable_fraction
from heads import HEADS
from sluice.classifier import load_model
from sluice.classifier.manifest import Thresholds, Training
from sluice.moderation.detector import Passage

FOLDS = 5
_FOLD_OF = {"kdconv": 0, "niutrans": 1, "jade_safe": 2, "cvalues": 3, "safetyqa": 3, "python_help": 0}
"""Ordinary text is split by source: the calibration sees only scores of sources that its model never saw."""

STRENGTH = 10.0
STEPS = 80
FEWEST_HARMFUL = 100
"""A head with fewer harmful texts is not shipped."""

POSITIVE_SHARE, POSITIVE_LIMIT = 0.3, 30.0
CONTRAST_WEIGHT = 4.0
"""For the near-miss texts written for the head itself: few, and the ones that it must not stop."""

MIX = {"harm": 0.2 / len(HEADS), "contrast": 0.2, "neutral": 0.6}
"""Shares under which a head's score is a probability: one sentence in five violates, on one head or another."""

THRESHOLDS = Thresholds(flag=0.7, stop=0.9, note="Measured on the sources of MODEL_CARD.md; a profile decides.")


class Corpus:
    """The examples as arrays, one entry per text."""

    def __init__(self, examples: list[Example]) -> None:
        self.texts = [example.text for example in examples]
        self.source = np.array([example.source for example in examples])
        self.kind = np.array([example.kind for example in examples])
        self.written_for = np.array([e.group.partition("/")[0] if e.source == OWN else "" for e in examples])
        self.fold = np.array([_fold(example) for example in examples])
        self.labels = {head: np.array([e.labels.get(head, -1) for e in examples], dtype=np.int8) for head in HEADS}

    def training_weights(self, head: str) -> fit.Floats:
        """What each text counts for when a head is fitted: the few harmful texts are heard among the many others."""
        labels, own = self.labels[head], self.source == OWN
        weights = np.ones(len(self.texts))
        weights[(self.written_for == head) & (labels == 0)] = CONTRAST_WEIGHT
        clean = weights[labels == 0].sum()
        for harmful in ((labels == 1) & own, (labels == 1) & ~own):  # a few own texts are not to drown in COLD's many
            weights[harmful] = np.clip(POSITIVE_SHARE * clean / max(harmful.sum(), 1), 1.0, POSITIVE_LIMIT)
        return weights

    def mix_weights(self, head: str) -> fit.Floats:
        """What each text counts for when a head is calibrated, so that the groups have the shares of `MIX`.

        Text written for other heads counts as contrast. Within a group every source counts the same.
        """
        labels, neutral = self.labels[head], self.kind == "neutral"
        weights = np.zeros(len(self.texts))
        groups = {"harm": labels == 1, "contrast": (labels == 0) & ~neutral, "neutral": neutral}
        for name, group in groups.items():
            sources = sorted(set(self.source[group]))
            for source in sources:
                part = group & (self.source == source)
                weights[part] = MIX[name] / len(sources) / part.sum()
        return weights


def _fold(example: Example) -> int:
    if example.kind == "neutral":
        return _FOLD_OF.get(example.source, FOLDS - 1)
    return int(stable_fraction(example.group) * FOLDS)


def main() -> None:
    """Train, calibrate, export, and check the export against the fitted model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the third-party sets")
    parser.add_argument("--texts", type=Path, default=Path(__file__).parent / "texts", help="the project's own texts")
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--name", default="sluice-default-1")
    parser.add_argument("--created", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    parser.add_argument(
        "--ordinary", nargs="*", default=[], metavar="NAME=FILE", help="more ordinary text to learn from"
    )
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SOURCE", help="train without these sources")
    args = parser.parse_args()

    ordinary = {name: Path(file) for name, _, file in (entry.partition("=") for entry in args.ordinary)}
    examples = load(args.data, args.texts, ordinary, frozenset(args.leave_out))
    texts = Corpus(examples)
    vocabulary = corpus.choose(texts.texts, np.where(texts.source == OWN, corpus.RARE_SOURCE_WEIGHT, 1.0))
    rows = corpus.matrix(texts.texts, vocabulary)
    heads = tuple(head for head in HEADS if (texts.labels[head] == 1).sum() >= FEWEST_HARMFUL)
    print(f"{len(examples)} texts, {rows.nnz} features; without enough data: {sorted(set(HEADS) - set(heads))}")

    model, unseen = train(texts, rows, heads)
    training = Training(
        sources=dict(sorted(Counter(texts.source.tolist()).items())),
        harmful={head: int((texts.labels[head] == 1).sum()) for head in heads},
    )
    mix = "one text in five violates, on one head or another; one is clean, near the subject; three are ordinary"
    export.write(
        args.out,
        model,
        vocabulary,
        name=args.name,
        created=args.created,
        mix=mix,
        training=training,
        thresholds=THRESHOLDS,
    )
    check(args.out, model, vocabulary, texts.texts)
    print(json.dumps(report(texts, unseen, heads), indent=1))


def train(texts: Corpus, rows: sp.csr_matrix, heads: tuple[str, ...]) -> tuple[export.Linear, NDArray[np.float64]]:
    """The model, and each text's calibrated scores `(texts, heads)` by a model that was not trained on its fold."""
    weights = np.zeros((rows.shape[1], len(heads)), dtype=np.float32)
    bias, slope, offset = (np.zeros(len(heads), dtype=np.float32) for _ in range(3))
    unseen = np.zeros((len(texts.texts), len(heads)))
    with Progress() as progress:
        task = progress.add_task("fitting", total=len(heads) * (FOLDS + 1))
        for column, head in enumerate(heads):
            labels, weight = texts.labels[head], texts.training_weights(head)
            for fold in range(FOLDS):
                seen = (labels >= 0) & (texts.fold != fold)
                part, part_bias = fit.logistic(rows[seen], labels[seen], weight[seen], STRENGTH, STEPS)
                apart = texts.fold == fold
                unseen[apart, column] = rows[apart] @ part + part_bias
                progress.advance(task)
            known = labels >= 0
            weights[:, column], bias[column] = fit.logistic(rows[known], labels[known], weight[known], STRENGTH, STEPS)
            slope[column], offset[column] = fit.platt(
                unseen[known, column], labels[known], texts.mix_weights(head)[known]
            )
            progress.advance(task)
    return export.Linear(heads, weights, bias, slope, offset), 1 / (1 + np.exp(-(unseen * slope + offset)))


def check(out: Path, model: export.Linear, vocabulary: corpus.Vocabulary, texts: list[str]) -> None:
    """Compare the exported model with the fitted one on every fiftieth training text."""
    some = texts[::50]
    rows = corpus.matrix(some, vocabulary)
    fitted, rounded = (one.scores(rows @ one.weights) for one in (model, model.rounded(vocabulary)))
    found = load_model(out).score([Passage(text) for text in some])
    apart = np.abs(found - rounded).max()
    lost = np.abs(found - fitted)
    print(f"export: {len(some)} texts, at most {apart:.1e} from the rounded model;")
    print(f"rounding to int8 moves a score by {lost.mean():.5f} on average, {lost.max():.3f} at most")
    if apart > 1e-4:
        raise SystemExit("the exported model does not agree with the fitted one")


def report(texts: Corpus, unseen: NDArray[np.float64], heads: tuple[str, ...]) -> dict[str, object]:
    """Figures on folds not trained on: ordinary text over the thresholds per source, and the own texts per head."""
    flag, stop = THRESHOLDS.flag, THRESHOLDS.stop
    top = unseen.max(axis=1)
    neutral = {
        source: {
            "texts": int(of.sum()),
            "flag": float((top[of] >= flag).mean()),
            "stop": float((top[of] >= stop).mean()),
        }
        for source in sorted(set(texts.source[texts.kind == "neutral"]))
        for of in [texts.source == source]
    }
    own = {}
    for column, head in enumerate(heads):
        here = texts.written_for == head
        harm, near = here & (texts.labels[head] == 1), here & (texts.labels[head] == 0)
        own[head] = {
            f"{name} {threshold}": round(float((unseen[of, column] >= threshold).mean()), 3) if of.any() else None
            for name, of in (("harm", harm), ("near-miss", near))
            for threshold in (0.5, flag, stop)
        }
    return {"ordinary text, source not trained on": neutral, "own texts, fold not trained on": own}


if __name__ == "__main__":
    main()
