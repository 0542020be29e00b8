"""Measures a model directory, with the same runtime that workers use, and prints Markdown.

    python models/evaluate.py --data DIR --model models/default [--ordinary NAME=FILE ...]

On COLD's test split; on the tenth of the own texts that training never sees; on risky questions, which are no
violation by themselves; on files of ordinary text, one or more sentences a line, that training never saw; and the
speed of one core.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import Example, cold_test, own_texts, sentences
from sluice.classifier import Model, load_model
from sluice.evaluation.measures import Confusion, auroc, macro_f1
from sluice.moderation.detector import Passage

Scores = NDArray[np.float32]


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=Path, default=Path(__file__).parent / "texts")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--ordinary", nargs="*", default=[], metavar="NAME=FILE")
    args = parser.parse_args()
    model = load_model(args.model)
    print(f"Model `{model.version}`.\n")
    cold(model, args.data)
    own(model, own_texts(args.texts, test=True))
    questions(model, args.data)
    for entry in args.ordinary:
        name, _, file = entry.partition("=")
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        ordinary(model, name, [sentence for line in lines for sentence in sentences(line)])
    speed(model, [example.text for example in own_texts(args.texts, test=True)])


def score(model: Model, texts: Sequence[str]) -> Scores:
    """Probabilities, `(texts, heads)`; each text stands alone."""
    return model.score([Passage(text) for text in texts])


def column(model: Model, head: str) -> int:
    """Where a head stands in the scores."""
    return [one.name for one in model.heads].index(head)


def cold(model: Model, data: Path) -> None:
    """COLD's test split by the `abuse` head, and its attribute heads on attacks on a group."""
    rows = cold_test(data)
    labels = np.array([int(row["label"]) for row in rows])
    fine = np.array([int(row["fine-grained-label"]) for row in rows])
    topic = np.array([row["topic"] for row in rows])
    scores = score(model, [row["TEXT"] for row in rows])
    abuse = scores[:, column(model, "abuse")].astype(np.float64)
    print("## COLD test split, head `abuse`\n")
    print("| threshold | accuracy | macro-F1 | safe | attack on a person | attack on a group | anti-bias |")
    print("|---|---|---|---|---|---|---|")
    for threshold in (share_threshold(abuse, float(labels.mean())), 0.5, 0.7, 0.9):
        right = (abuse >= threshold).astype(np.int64) == labels
        by_fine = " | ".join(f"{right[fine == kind].mean():.1%}" for kind in range(4))
        f1 = macro_f1((abuse >= threshold).astype(np.int64), labels)
        print(f"| {threshold:.3f} | {right.mean():.2%} | {f1:.2%} | {by_fine} |")
    print(f"\nAUROC {auroc(abuse, labels):.4f}; the first threshold is the one that flags the split's share of harm.\n")
    for name, head in (("race", "ethnic"), ("region", "region"), ("gender", "gender")):
        here = (topic == name) & ((fine == 2) | (labels == 0))
        found = auroc(scores[here, column(model, head)].astype(np.float64), (fine[here] == 2).astype(np.int64))
        print(f"- topic {name}, attack on a group against clean, head `{head}`: AUROC {found:.3f}")
    print()


def share_threshold(scores: NDArray[np.float64], share: float) -> float:
    """The threshold that a `share` of the scores reaches."""
    return float(np.quantile(scores, 1 - share))


def own(model: Model, examples: Sequence[Example]) -> None:
    """Each head on the own texts kept apart: those written for it, and all benign ones for false alarms."""
    scores = score(model, [example.text for example in examples]).astype(np.float64)
    written_for = np.array([example.group.partition("/")[0] for example in examples])
    harm = np.array([int(example.kind == "harm") for example in examples])
    print("## Own texts kept apart\n")
    print(
        "| head | harm / near-miss | AUROC | precision | recall | F1 at 0.5 | recall 0.7 | 0.9 | near-miss 0.7 | 0.9 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for number, head in enumerate(one.name for one in model.heads):
        here = written_for == head
        value, label = scores[here, number], harm[here]
        clean, bad = value[label == 0], value[label == 1]
        half = Confusion()
        half.add(value >= 0.5, label)
        rates = " | ".join(f"{share(part, at):.0%}" for part in (bad, clean) for at in (0.7, 0.9))
        print(
            f"| {head} | {len(bad)} / {len(clean)} | {auroc(value, label):.3f} | {half.precision:.2f} "
            f"| {half.recall:.2f} | {half.f1:.2f} | {rates} |"
        )
    top = scores.max(axis=1)
    for name, of in (("harmful", harm == 1), ("near-miss", harm == 0)):
        rates = ", ".join(f"{share(top[of], at):.1%} reach {at}" for at in (0.5, 0.7, 0.9))
        print(f"\nAny head, {int(of.sum())} {name} texts: {rates}.")
    print()


def questions(model: Model, data: Path) -> None:
    """Questions that ask for something harmful. To ask is no violation; this shows how the model takes them."""
    prompts = [
        json.loads(line)["prompt"]
        for line in (data / "flames" / "Flames_1k_Chinese.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    ordinary(model, "Flames, adversarial prompts", prompts)
    with (data / "jade" / "jade_benchmark_medium_zh.csv").open(encoding="utf-8-sig", newline="") as file:
        ordinary(model, "JADE, risky questions", [row["问题"] for row in csv.DictReader(file)])
    with next((data / "ailuminate").glob("*.csv")).open(encoding="utf-8-sig", newline="") as file:
        ordinary(model, "AILuminate, risky prompts (English)", [row["prompt_text"] for row in csv.DictReader(file)])


def ordinary(model: Model, name: str, texts: Sequence[str]) -> None:
    """How many texts reach the thresholds, on any head and on the heads that do so most."""
    scores = score(model, texts)
    print(f"## {name}: {len(texts)} texts\n")
    for at in (0.5, 0.7, 0.9, 0.95):
        print(f"- {share(scores.max(axis=1), at):.2%} reach {at}{worst(model, scores, at)}")
    print()


def speed(model: Model, texts: Sequence[str]) -> None:
    """Texts a second in batches of 64, and the time of a single text; folding and hashing included."""
    chars = float(np.mean([len(text) for text in texts]))
    batches = [texts[start : start + 64] for start in range(0, len(texts) - 63, 64)]
    rate = max(_rate(model, batches) for _ in range(5))
    single = np.array([_seconds(model, [text]) for text in texts])
    print(f"## Speed, one core, texts of {chars:.0f} characters on average\n")
    print(f"- {rate:,.0f} texts a second in batches of 64")
    print(f"- one text: p50 {np.median(single) * 1e6:.0f} µs, p99 {np.quantile(single, 0.99) * 1e6:.0f} µs\n")


def _rate(model: Model, batches: Sequence[Sequence[str]]) -> float:
    return sum(map(len, batches)) / sum(_seconds(model, batch) for batch in batches)


def _seconds(model: Model, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    score(model, texts)
    return time.perf_counter() - start


def worst(model: Model, scores: Scores, at: float) -> str:
    """The three heads that reach a threshold most often."""
    counts = (scores >= at).sum(axis=0)
    order = [number for number in np.argsort(-counts)[:3] if counts[number]]
    return "; most: " + ", ".join(f"{model.heads[n].name} {counts[n]}" for n in order) if order else ""


def share(values: NDArray[np.floating], at: float) -> float:
    """The share of values that reach a threshold."""
    return float((values >= at).mean()) if values.size else float("nan")


if __name__ == "__main__":
    main()
