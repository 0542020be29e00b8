"""Measures a model directory, with the same runtime that workers use, and prints the Markdown of its card.

    make measure-model DATA=DIR ARGS="--ordinary NAME=FILE … --plot FILE.svg"

On COLD's test split; on the tenth of the own texts that training never sees, as they are and in disguise; on risky
questions, which are no violation by themselves; and on files of ordinary text, an answer or paragraph a line, that
training never saw.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment import Augmenter
from data import COLD_HEADS, Example, cold_test, jade_safe, named_files, own_texts, sentences, stable_fraction
from disguise_kinds import AS_WRITTEN, KINDS
from heads import HEADS
from sluice import Moderator
from sluice.classifier import Model, load_model
from sluice.evaluation.measures import Confusion, Labels, auroc, macro_f1
from sluice.evaluation.scores import Reliability
from sluice.moderation.detector import Passage

Scores = NDArray[np.float32]

AT = (0.5, 0.7, 0.9)
"""Thresholds that are reported; the default profile flags at the second and stops at the third."""

AGAINST_BIAS = ("antibias/", "counterspeech/")
"""Groups of own texts: against a prejudice, or in that form."""

SPREAD_CHARS = 400
"""A whole answer is about so long."""

_DISGUISES = (
    "traditional", "zero-width", "marks", "spaces", "split, one", "homophone, one", "homophone, all", "pinyin joined",
    "initials", "look-alike", "two swapped",
)  # fmt: skip


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=Path, default=Path(__file__).parent / "texts")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--ordinary", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--plot", type=Path, help="write the reliability diagram of every head as SVG")
    args = parser.parse_args()
    model = load_model(args.model)
    print(f"Model `{model.version}`.\n")
    apart = own_texts(args.texts, "test")
    cold(model, args.data)
    scores = score(model, apart)
    own(scores, apart)
    contexts(model, apart, scores, args.data)
    calibration(scores, apart, args.plot)
    disguised(model, apart, scores)
    questions(model, args.data)
    for name, file in named_files(args.ordinary).items():
        lines = file.read_text(encoding="utf-8").splitlines()
        ordinary(model, name, [sentence for line in lines for sentence in sentences(line)])
        answers(model, name, lines)


def score(model: Model, examples: Sequence[Example]) -> Scores:
    """Probabilities, `(texts, heads)`."""
    return model.score([Passage(example.text, example.context) for example in examples])


def alone(model: Model, texts: Sequence[str]) -> Scores:
    """The same for texts without a context."""
    return model.score([Passage(text) for text in texts])


def column(head: str) -> int:
    """Where a head stands in the scores."""
    return list(HEADS).index(head)


def cold(model: Model, data: Path) -> None:
    """COLD's test split by the `abuse` head, and its attribute heads on attacks on a group."""
    rows = cold_test(data)
    labels = np.array([int(row["label"]) for row in rows])
    fine = np.array([int(row["fine-grained-label"]) for row in rows])
    topic = np.array([row["topic"] for row in rows])
    scores = alone(model, [row["TEXT"] for row in rows])
    abuse = scores[:, column("abuse")].astype(np.float64)
    print("## COLD test split, head `abuse`\n")
    print("| threshold | accuracy | macro-F1 | race | region | gender | safe | on a person | on a group | anti-bias |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for threshold in (share_threshold(abuse, float(labels.mean())), *AT):
        found = (abuse >= threshold).astype(np.int64)
        right = found == labels
        parts = [right[topic == name].mean() for name in COLD_HEADS]
        parts += [right[fine == kind].mean() for kind in range(4)]
        cells = " | ".join(f"{part:.1%}" for part in parts)
        print(f"| {threshold:.3f} | {right.mean():.2%} | {macro_f1(found, labels):.2%} | {cells} |")
    print(f"\nAUROC {auroc(abuse, labels):.4f}; the first threshold is the one that flags the split's share of harm.\n")
    for name, head in COLD_HEADS.items():
        here = (topic == name) & ((fine == 2) | (labels == 0))
        found_at = auroc(scores[here, column(head)].astype(np.float64), (fine[here] == 2).astype(np.int64))
        print(f"- topic {name}, attack on a group against clean, head `{head}`: AUROC {found_at:.3f}")
    print()


def share_threshold(scores: NDArray[np.float64], share: float) -> float:
    """The threshold that a `share` of the scores reaches."""
    return float(np.quantile(scores, 1 - share))


def own(scores: Scores, examples: Sequence[Example]) -> None:
    """Each head on the own texts kept apart: those written for it, harmful and near miss."""
    written_for = np.array([example.written_for for example in examples])
    harm = _harm(examples)
    print("## Own texts kept apart\n")
    print(
        "| head | harm / near-miss | AUROC | precision | recall | F1 at 0.5 | recall 0.7 | 0.9 | near-miss 0.7 | 0.9 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for number, head in enumerate(HEADS):
        here = written_for == head
        value, label = scores[here, number].astype(np.float64), harm[here]
        clean, bad = value[label == 0], value[label == 1]
        half = Confusion()
        half.add(value >= AT[0], label)
        rates = " | ".join(f"{share(part, at):.0%}" for part in (bad, clean) for at in AT[1:])
        print(
            f"| {head} | {len(bad)} / {len(clean)} | {auroc(value, label):.3f} | {half.precision:.2f} "
            f"| {half.recall:.2f} | {half.f1:.2f} | {rates} |"
        )
    top = scores.max(axis=1)
    english = np.array([sum(c.isascii() for c in e.text) > 0.7 * len(e.text) for e in examples])
    context = np.array([bool(e.context) for e in examples])
    groups: dict[str, NDArray[np.bool_]] = {
        "Chinese": ~english & ~context,
        "English": english & ~context,
        "with a context": context,
        "text against bias and its twins": np.array([e.group.startswith(AGAINST_BIAS) for e in examples]),
    }
    for name, group in groups.items():
        for kind, of in (("harmful", harm == 1), ("harmless", harm == 0)):
            part = top[group & of]
            rates = ", ".join(f"{share(part, at):.1%} reach {at}" for at in AT)
            print(f"\nAny head, {len(part)} {kind} texts, {name}: {rates}.")
    print()


def contexts(model: Model, examples: Sequence[Example], scores: Scores, data: Path) -> None:
    """What a context tells of the texts that were written with one, and what it costs where it tells nothing."""
    print("## What stands before a text\n")
    harm, context = _harm(examples), np.array([bool(example.context) for example in examples])
    top = scores.max(axis=1).astype(np.float64)
    bare = alone(model, [example.text for example in examples if example.context]).max(axis=1).astype(np.float64)
    told = f"AUROC {auroc(top[context], harm[context]):.3f} with it, {auroc(bare, harm[context]):.3f} without"
    print(f"{context.sum()} texts written with a context, any head: {told}.\n")
    chosen = [n for n, example in enumerate(examples) if harm[n] and not example.context]
    safe = sorted((e.text for e in jade_safe(data)), key=stable_fraction)[: len(chosen)]
    behind = model.score([Passage(examples[n].text, before) for n, before in zip(chosen, safe, strict=True)])
    for at in AT:
        rates = f"{share(top[chosen], at):.1%} alone, {share(behind.max(axis=1), at):.1%} behind one of a safe answer"
        print(f"- {len(chosen)} harmful texts written without one reach {at}: {rates}")
    print()


def calibration(scores: Scores, examples: Sequence[Example], plot: Path | None) -> None:
    """How far the scores are probabilities, on the own texts kept apart."""
    print("## Calibration on the own texts kept apart\n")
    print("| head | expected calibration error | Brier score |\n|---|---|---|")
    curves = {}
    for number, head in enumerate(HEADS):
        labels = np.array([example.labels.get(head, -1) for example in examples])
        known = labels >= 0
        curves[head] = reliability = Reliability()
        reliability.add(scores[known, number].astype(np.float64), labels[known])
        print(f"| {head} | {reliability.error:.3f} | {reliability.brier:.3f} |")
    print()
    if plot is not None:
        _draw(curves, plot)


def _draw(curves: dict[str, Reliability], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "sluice"  # the same file for the same figures
    figure = Figure(figsize=(12, 9))
    for place, (head, reliability) in enumerate(curves.items(), 1):
        axes = figure.add_subplot(4, 5, place)
        bins = [one for one in reliability.bins() if one.texts]
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.scatter([b.score for b in bins], [b.harmful for b in bins], s=[8 + 4 * b.texts**0.5 for b in bins])
        axes.set_title(f"{head} ({reliability.error:.3f})", fontsize=9)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
    figure.supxlabel("mean score")
    figure.supylabel("share that is harmful")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def disguised(model: Model, examples: Sequence[Example], plain: Scores) -> None:
    """What each disguise of a few words costs, on the harmful Chinese texts kept apart."""
    chosen = [n for n, e in enumerate(examples) if e.kind == "harm" and any("\u4e00" <= c <= "\u9fff" for c in e.text)]
    heads = np.array([column(examples[n].written_for) for n in chosen])
    print("## Up to three words in disguise\n")
    print(f"{len(chosen)} harmful texts with Chinese in them; scores of the head that a text was written for.\n")
    print("| disguise | reach 0.5 | 0.7 | 0.9 | points lost at 0.5 | heads that lose most |\n|---|---|---|---|---|---|")
    before = plain[chosen, heads]
    _disguise_row(AS_WRITTEN, before, before, heads)
    for kind in KINDS:
        if kind.name not in _DISGUISES:
            continue
        augmenter = Augmenter([], seed=7, kinds=[kind])
        texts = [Example(augmenter.disguise(examples[n].text), {}, "", "", "harm", examples[n].context) for n in chosen]
        after = score(model, texts)[np.arange(len(chosen)), heads]
        _disguise_row(kind.name, before, after, heads)
    print()


def _disguise_row(name: str, before: Scores, after: Scores, heads: NDArray[np.int64]) -> None:
    lost = {
        head: share(before[heads == number], AT[0]) - share(after[heads == number], AT[0])
        for number, head in enumerate(HEADS)
        if (heads == number).any()
    }
    worst = ", ".join(
        f"{head} {100 * lost[head]:.0f}" for head in sorted(lost, key=lambda h: -lost[h])[:3] if lost[head] > 0
    )
    rates = " | ".join(f"{share(after, at):.1%}" for at in AT)
    print(f"| {name} | {rates} | {100 * (share(before, AT[0]) - share(after, AT[0])):.1f} | {worst} |")


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
    scores = alone(model, texts)
    print(f"## {name}: {len(texts)} texts\n")
    for at in (*AT, 0.95):
        print(f"- {share(scores.max(axis=1), at):.2%} reach {at}{worst(scores, at)}")
    print()


def answers(model: Model, name: str, lines: Sequence[str]) -> None:
    """Whole answers under the default profile, lexicon included: paragraphs put together up to `SPREAD_CHARS`."""
    whole: list[str] = []
    for line in lines:
        if whole and len(whole[-1]) + len(line) <= SPREAD_CHARS:
            whole[-1] += "\n" + line
        else:
            whole.append(line)
    random.Random(7).shuffle(whole)
    results = list(Moderator(scorer=model).check_many(whole[:4_000]))
    count: Callable[[str], int] = lambda action: sum(result.action == action for result in results)  # noqa: E731
    stopped = [result for result in results if result.action == "stop"]
    by = sorted(rule for r in stopped for rule in {f"{f.source} {f.rule}" for f in r.findings if f.score >= AT[2]})
    told = ", ".join(f"{rule} ({by.count(rule)})" for rule in dict.fromkeys(by)) or "nothing"
    rates = f"{len(stopped)} stopped ({len(stopped) / len(results):.2%}), {count('flag') / len(results):.2%} flagged"
    print(f"{len(results)} whole answers of about {SPREAD_CHARS} characters at the default profile: {rates}.")
    print(f"What stopped them, several for some: {told}.\n")


def worst(scores: Scores, at: float) -> str:
    """The three heads that reach a threshold most often."""
    counts = (scores >= at).sum(axis=0)
    order = [number for number in np.argsort(-counts)[:3] if counts[number]]
    return "; most: " + ", ".join(f"{list(HEADS)[n]} {counts[n]}" for n in order) if order else ""


def share(values: NDArray[np.floating], at: float) -> float:
    """The share of values that reach a threshold."""
    return float((values >= at).mean()) if values.size else float("nan")


def _harm(examples: Sequence[Example]) -> Labels:
    return np.array([int(example.kind == "harm") for example in examples])


if __name__ == "__main__":
    main()
