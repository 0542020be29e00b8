"""Readers of the training data: every set says which heads it labels, and nothing about the others.

A text is labelled 1 or 0 for some heads and left open for the rest; a head learns only from texts that are labelled
for it. The sets are third-party data and are read from the folder that the caller names; the project's own texts are
in `texts/`, and some English prose comes with Python. A set that is not there is an error: a model trained on less than
its card says would be another model.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import lzma
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Literal

from heads import ALL_CLEAN, ATTRIBUTES, HEADS, NOT_IN_COMMENTS, OVERLAPS

OWN = "own"
COLD_HEADS = {"race": "ethnic", "region": "region", "gender": "gender"}
"""The head of each of COLD's topics."""

_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?]*")
_TWITTER = re.compile(r"(?:\bRT\b|@\w+|https?://\S+|&[#\w]+;)")
_OPENAI_CHARS = 500  # the model scores sentences; the rest of a long story says nothing about its first page


@dataclass(frozen=True, slots=True)
class Example:
    """One text and what is known about it."""

    text: str
    labels: Mapping[str, int]
    """Head to 1 (violates) or 0; a head that is missing is not known."""
    source: str
    group: str
    """Texts of one group are never split between training and testing."""
    kind: str
    """`harm`, `contrast` (labelled clean, near the subject) or `neutral`."""
    context: str = ""
    """What stands just before the text and is judged with it."""
    written_for: str = ""
    """Own texts: the head that it was written for, harmful or as a near miss."""


def stable_fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8"), digest_size=6).digest(), "big") / 2**48


def sentences(text: str, shortest: int = 4) -> list[str]:
    """The sentences of a text, without those shorter than `shortest` characters."""
    found = (match.group().strip() for match in _SENTENCE.finditer(text))
    return [sentence for sentence in found if len(sentence) >= shortest]


def load(
    data: Path, texts: Path, ordinary: Mapping[str, Path] | None = None, leave_out: frozenset[str] = frozenset()
) -> list[Example]:
    """All training examples; COLD's test split and the own texts kept apart are not among them.

    `ordinary` names files of more ordinary text, one or more sentences a line. `leave_out` names sources to go
    without, to measure how the model does on a source that it has never seen.
    """
    unknown = leave_out - READERS.keys() - {OWN}
    if unknown:
        raise SystemExit(f"no such source: {', '.join(sorted(unknown))}")
    kept_apart = {row["TEXT"].strip() for row in _csv(data / "cold" / "test.csv")}
    examples = [
        example
        for name, read in READERS.items()
        if name not in leave_out
        for example in read(data)
        if example.text.strip() not in kept_apart
    ]
    for name, path in (ordinary or {}).items():
        examples += _neutral(name, some_sentences(path))
    if OWN not in leave_out:
        examples += own_texts(texts, "train")
    return examples


def named_files(entries: Sequence[str]) -> dict[str, Path]:
    """Files by name, of the `NAME=FILE` that options take."""
    return {name: Path(file) for name, _, file in (entry.partition("=") for entry in entries)}


def some_sentences(path: Path, most: int = 25_000) -> list[str]:
    """Sentences of a file of ordinary text, at most so many of them, drawn by their hash."""
    found = [sentence for line in path.read_text(encoding="utf-8").splitlines() for sentence in sentences(line)]
    return [sentence for sentence in found if stable_fraction(sentence) * len(found) < most]


def own_texts(folder: Path, part: Literal["train", "calibrate", "test"]) -> list[Example]:
    """The project's own texts, split by family: a tenth kept apart for testing, a twelfth to calibrate on, the rest.

    A file is named for its head; in one of the folder `mixed` each row names its own (none: clean on every head), and
    may have a context.
    """
    examples = []
    for path in (*sorted(folder.glob("*.tsv")), *sorted(folder.glob("mixed/*.tsv"))):
        mixed = path.parent != folder
        for number, row in enumerate(_tsv(path), 2):
            head = row.get("head", "") if mixed else path.stem
            if row["label"] not in ("harm", "benign") or not row["text"]:
                raise SystemExit(f"{path}:{number}: label must be harm or benign, with a text")
            if head not in HEADS and (head or row["label"] == "harm"):
                raise SystemExit(f"{path}:{number}: there is no head {head!r}")
            group = f"{path.stem if mixed else head}/{row['family'] or row['text']}"
            if _part(group) == part:
                examples.append(_own(head, row["label"] == "harm", row["text"], row.get("context", ""), group))
    return examples


def _part(group: str) -> str:
    fraction = stable_fraction(group)
    return "test" if fraction < 0.1 else "calibrate" if fraction < 0.1 + 1 / 12 else "train"


def _own(head: str, harm: bool, text: str, context: str, group: str) -> Example:
    if not harm:
        return Example(text, ALL_CLEAN, OWN, group, "contrast", context, head)
    open_heads = OVERLAPS[head]
    labels = {other: 0 for other in HEADS if other != head and other not in open_heads}
    return Example(text, {**labels, head: 1}, OWN, group, "harm", context, head)


def cold(data: Path) -> Iterator[Example]:
    """COLD's train and dev splits: offensive or not, on race, region or gender.

    The offensive label covers attacks on persons too, so the head of the topic learns from noisy labels.
    """
    for split in ("train", "dev"):
        for row in _csv(data / "cold" / f"{split}.csv"):
            text, head = row["TEXT"], COLD_HEADS[row["topic"]]
            if row["label"] == "0":
                yield Example(text, ALL_CLEAN, "cold", text, "contrast")
                continue
            labels = dict.fromkeys(NOT_IN_COMMENTS, 0) | {"abuse": 1, head: 1}
            # Race and region shade into each other (and into nationality, which stays open); gender stands apart.
            labels |= {"gender": 0} if head != "gender" else {"region": 0, "ethnic": 0}
            yield Example(text, labels, "cold", text, "harm")


def swsr(data: Path) -> Iterator[Example]:
    """SWSR: comments that are sexist or not. Nothing is said about other abuse in them."""
    for row in _csv(data / "swsr" / "SexComment.csv"):
        label = int(row["label"])
        labels = dict.fromkeys(NOT_IN_COMMENTS, 0) | {"gender": label}
        yield Example(row["comment_text"], labels, "swsr", row["weibo_id"], "harm" if label else "contrast")


def davidson(data: Path) -> Iterator[Example]:
    """English tweets: hate or neither. The class between (coarse words, mostly among friends) is left out."""
    for row in _csv(data / "davidson" / "labeled_data.csv"):
        text = " ".join(_TWITTER.sub(" ", row["tweet"]).split())
        if row["class"] == "1" or len(text) < 4:
            continue
        if row["class"] == "2":
            yield Example(text, ALL_CLEAN, "davidson", text, "contrast")
        else:
            labels = dict.fromkeys(NOT_IN_COMMENTS, 0) | {"abuse": 1}
            yield Example(text, labels, "davidson", text, "harm")


def openai(data: Path) -> Iterator[Example]:
    """English texts with up to eight labels each; a label that is missing is not known."""
    path = data / "openai_moderation" / "samples-1680.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            text = row["prompt"][:_OPENAI_CHARS]
            labels = _openai_labels(row)
            if any(labels.values()):
                yield Example(text, labels, "openai", row["prompt"], "harm")
            elif labels:
                for sentence in sentences(row["prompt"], shortest=8)[:8]:
                    yield Example(sentence, labels, "openai", row["prompt"], "contrast")


def _openai_labels(row: Mapping[str, object]) -> dict[str, int]:
    labels: dict[str, int] = {}
    for head, keys in (("porn", ("S", "S3")), ("violence", ("V", "V2")), ("selfharm", ("SH",)), ("abuse", ("HR", "H"))):
        known = [row[key] for key in keys if key in row]
        if 1 in known:
            labels[head] = 1
        elif len(known) == len(keys):
            labels[head] = 0
    if row.get("H") == 0:
        labels |= dict.fromkeys(ATTRIBUTES, 0)
    return labels


def kdconv(data: Path) -> Iterator[Example]:
    """Everyday dialogue."""
    yield from _neutral("kdconv", (data / "kdconv" / "utterances.txt").read_text(encoding="utf-8").splitlines())


def niutrans(data: Path) -> Iterator[Example]:
    """Classics in modern Chinese: one sentence in twenty-five of nearly a million, wars and executions among them."""
    with lzma.open(data / "niutrans_modern" / "sentences.txt.xz", "rt", encoding="utf-8") as file:
        yield from _neutral("niutrans", (line for number, line in enumerate(file) if number % 25 == 0))


def cvalues(data: Path) -> Iterator[Example]:
    """Experts' questions near risky subjects."""
    rows = _jsonl(data / "cvalues" / "cvalues_responsibility_prompts.jsonl")
    yield from _neutral("cvalues", (row["prompt"] for row in rows))


def safetyqa(data: Path) -> Iterator[Example]:
    """Questions of fact about law, rumours, bias and health, and their answers."""
    for row in _jsonl(data / "chinese_safetyqa" / "chinese_safetyqa.jsonl"):
        question, answer = row["question"].strip(), row["standard_answer"].strip()
        yield Example(question, ALL_CLEAN, "safetyqa", question, "neutral")
        if len(answer) >= 2:
            yield Example(answer, ALL_CLEAN, "safetyqa", question, "neutral", question)


def jade_safe(data: Path) -> Iterator[Example]:
    """Sentences of safe, useful answers to risky questions: what a good model says about crime and discrimination."""
    for name in ("hard", "medium"):
        for row in _csv(data / "jade" / f"jade_alignment_{name}_zh.csv", "gb18030"):
            before = row["问题"]
            for sentence in sentences(row["安全有用回答"]):
                yield Example(sentence, ALL_CLEAN, "jade_safe", row["问题"], "neutral", before)
                before = sentence


def python_help(_data: Path) -> Iterator[Example]:
    """Sentences of the help that Python itself carries: the plain English prose that the other sets have none of."""
    for topic in topics.values():
        for paragraph in re.split(r"\n\s*\n", topic):
            for sentence in re.split(r"(?<=[.!?:])\s+", " ".join(paragraph.split())):
                # Code and tables are no prose.
                if len(sentence) > 20 and sum(c.isalpha() or c == " " for c in sentence) > 0.8 * len(sentence):
                    yield Example(sentence, ALL_CLEAN, "python_help", sentence, "neutral")


def cold_test(data: Path) -> list[dict[str, str]]:
    """COLD's test split, for reporting only."""
    return _csv(data / "cold" / "test.csv")


READERS: dict[str, Callable[[Path], Iterator[Example]]] = {
    "cold": cold,
    "swsr": swsr,
    "davidson": davidson,
    "openai": openai,
    "kdconv": kdconv,
    "niutrans": niutrans,
    "cvalues": cvalues,
    "safetyqa": safetyqa,
    "jade_safe": jade_safe,
    "python_help": python_help,
}


def _neutral(source: str, texts: Iterator[str] | list[str]) -> Iterator[Example]:
    for text in texts:
        text = text.strip()
        if len(text) >= 2:
            yield Example(text, ALL_CLEAN, source, text, "neutral")


def _csv(path: Path, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def _tsv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _jsonl(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
