"""Measures the strong member on sources that it was not trained on, and SWSR in five folds.

    make measure-transfer DATA=DIR ARGS="--ordinary reviews=FILE"

A figure on a split of a set that was trained on says how well the set is known, its habits of labelling included. Here
whole sets are left out of one short training each, and the model is then asked about them. The folds of SWSR start
from the training that never saw SWSR; comments under one post are never on both sides.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import base
from data import COLD_HEADS, OWN, Example, cold_test, davidson, load, named_files, own_texts, stable_fraction, swsr
from encoder import Encoder, Reader, fastest_device, logits_of
from finetune import ORDINARY, PHASES, Phase, fine_tune
from heads import HEADS
from sluice.evaluation.measures import auroc, macro_f1

_OTHERS = {OWN: 1.0, "openai": 0.5, **ORDINARY}
LEFT_OUT = {
    ("cold",): Phase("one", {"swsr": 0.5, "davidson": 0.5, **_OTHERS}, 6e-5, 0.02),
    ("swsr", "davidson"): Phase("one", {"cold": 0.4, **_OTHERS}, 6e-5, 0.02),
    (OWN,): PHASES[0],
}
"""Each is one training. SWSR and Davidson share no language and no head, so they are left out together; without the own
texts is how the training of the default model begins."""

FOLDS = 5
FOLD = Phase("fold", {"swsr": 1.5}, 4e-5, 0.02, preceded=0.0)


def main() -> None:
    """Train without each of `LEFT_OUT`, then the folds, and print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the third-party sets")
    parser.add_argument("--texts", type=Path, default=Path(__file__).parent / "texts", help="the project's own texts")
    parser.add_argument("--work", type=Path, required=True, help="base encoder and checkpoints")
    parser.add_argument("--ordinary", nargs="*", default=[], metavar="NAME=FILE")
    args = parser.parse_args()
    base.fetch(args.work / "base")
    tokenizer = base.small_tokenizer(args.work / "base")
    reader = Reader.of(tokenizer)
    for left_out, phase in LEFT_OUT.items():
        examples = load(args.data, args.texts, named_files(args.ordinary), frozenset(left_out))
        model = _new(args.work, tokenizer["model"]["vocab"])
        fine_tune(model, reader, examples, phases=[phase], checkpoints=args.work / f"without-{'-'.join(left_out)}")
        print(f"## Trained without {' and '.join(left_out)}\n")
        _report(model, reader, left_out, args.data, args.texts)
    fold = list(swsr(args.data))
    begin = torch.load(args.work / "without-swsr-davidson" / "one.pt", weights_only=True)
    print(f"## SWSR in {FOLDS} folds, head `gender`, threshold 0.5\n")
    print("| fold | comments | accuracy | macro-F1 | AUROC |\n|---|---|---|---|---|")
    rows = []
    for number in range(FOLDS):
        model = _new(args.work, tokenizer["model"]["vocab"])
        model.load_state_dict(begin)
        seen = [example for example in fold if fold_of(example) != number]
        fine_tune(model, reader, seen, phases=[FOLD], checkpoints=args.work / f"fold-{number}")
        apart = [example for example in fold if fold_of(example) == number]
        logits = _asked(model, reader, apart)[:, list(HEADS).index("gender")]
        labels = np.array([example.labels["gender"] for example in apart])
        found = (logits >= 0).astype(np.int64)
        rows.append([(found == labels).mean(), macro_f1(found, labels), auroc(logits, labels)])
        print(f"| {number + 1} | {len(apart)} " + "".join(f"| {value:.3f} " for value in rows[-1]) + "|", flush=True)
    mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)
    print(
        "| mean ± deviation | | " + " | ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True)) + " |"
    )


def fold_of(example: Example) -> int:
    """The fold that a comment is tested in, the same for all comments under one post."""
    return int(stable_fraction(f"fold {example.group}") * FOLDS)


def _new(work: Path, vocabulary: dict[str, int]) -> Encoder:
    torch.manual_seed(1)
    return Encoder(base.load_encoder(work / "base", vocabulary), len(HEADS)).to(fastest_device())


def _report(model: Encoder, reader: Reader, left_out: Sequence[str], data: Path, texts: Path) -> None:
    """AUROC of the heads that the sources left out label."""
    print("| source left out | head | harmful / clean | AUROC |\n|---|---|---|---|")
    for source in left_out:
        examples = _tests(source, data, texts)
        logits = _asked(model, reader, examples)
        for column, head in enumerate(HEADS):
            labels = np.array([example.labels.get(head, -1) for example in examples])
            known = labels >= 0
            harmful, clean = (labels == 1).sum(), (labels == 0).sum()
            if harmful and clean:
                found = auroc(logits[known, column], labels[known])
                print(f"| {source} | {head} | {harmful} / {clean} | {found:.3f} |")
    print(flush=True)


def _tests(source: str, data: Path, texts: Path) -> list[Example]:
    """The texts of a source, labelled for the heads that are tested on them."""
    if source == "swsr":
        return list(swsr(data))
    if source == "davidson":
        return list(davidson(data))
    if source == OWN:
        apart = [example for example in own_texts(texts, "test") if example.written_for]
        return [replace(e, labels={e.written_for: e.labels[e.written_for]}) for e in apart]
    return [_cold(row) for row in cold_test(data)]


def _cold(row: dict[str, str]) -> Example:
    """An attack on a group is one for the head of its topic too; what an attack on a person is for it, nobody said."""
    label, fine = int(row["label"]), row["fine-grained-label"]
    labels = {"abuse": label} | ({} if fine == "1" else {COLD_HEADS[row["topic"]]: int(fine == "2")})
    return Example(row["TEXT"], labels, "cold", row["TEXT"], "harm" if label else "contrast")


def _asked(model: Encoder, reader: Reader, examples: Sequence[Example]) -> NDArray[np.float64]:
    rows = reader.rows([example.context for example in examples], [example.text for example in examples])
    return logits_of(model, rows).astype(np.float64)


if __name__ == "__main__":
    main()
