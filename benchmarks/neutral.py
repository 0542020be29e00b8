"""Ordinary text from public data sets, in which every finding is one too many. See `docs/lexicon-recall.md`."""

from __future__ import annotations

import csv
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["SOURCES", "neutral_texts"]


def _kdconv(data: Path, _every: int) -> Iterator[str]:
    yield from (data / "kdconv" / "utterances.txt").read_text(encoding="utf-8").splitlines()


def _niutrans(data: Path, every: int) -> Iterator[str]:
    with lzma.open(data / "niutrans_modern" / "sentences.txt.xz", "rt", encoding="utf-8") as file:
        yield from (line for number, line in enumerate(file) if number % every == 0)


def _safetyqa(data: Path, _every: int) -> Iterator[str]:
    for row in _jsonl(data / "chinese_safetyqa" / "chinese_safetyqa.jsonl"):
        yield row["question"]
        yield row["standard_answer"]


def _cvalues(data: Path, _every: int) -> Iterator[str]:
    yield from (row["prompt"] for row in _jsonl(data / "cvalues" / "cvalues_responsibility_prompts.jsonl"))


def _jade_safe(data: Path, _every: int) -> Iterator[str]:
    for name in ("hard", "medium"):
        path = data / "jade" / f"jade_alignment_{name}_zh.csv"
        with path.open(encoding="gb18030", newline="") as file:
            yield from (row["安全有用回答"] for row in csv.DictReader(file))


SOURCES: dict[str, tuple[Callable[[Path, int], Iterator[str]], str]] = {
    "kdconv": (_kdconv, "everyday dialogue"),
    "niutrans_modern": (_niutrans, "classics in modern Chinese, wars and executions among them"),
    "chinese_safetyqa": (_safetyqa, "questions of fact about law, rumours and health, with their answers"),
    "cvalues": (_cvalues, "experts' questions near risky subjects"),
    "jade_safe": (_jade_safe, "safe answers to risky questions"),
}
"""Reader and description of each; a set that is not there is an error."""


def neutral_texts(data: Path, name: str, every: int) -> list[str]:
    """The texts of one source; of the largest one in every so many.

    Raises:
        SystemExit: the set is not in the folder.
    """
    try:
        return [text for line in SOURCES[name][0](data, every) if (text := str(line).strip())]
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename} is missing: DATA must hold the set {name}") from None


def _jsonl(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
