"""What the classifier stage costs on one core, beside BERT-base with random weights on the same sentences.

Writes `build/bench/classifiers.json` and `.png`.

    python benchmarks/classifiers.py [--model models/default] [--repeats 5] [--core 1] [--ordinary FILE] [--quick]

Over sentences of which 98 % are ordinary, drawn into streams (see `mix.py`):
  - windows (sentences) a second, and p50 and p99 of a call, of the cheap member, the strong member, the cascade, and
    BERT-base as int8 and fp32;
  - microseconds a delta of the cheap stage, in frames of 32 deltas and of one, and the cascade on streams: every delta
    skimmed, and the sentences in doubt judged;
  - core-seconds per million characters of each, and how many times more BERT-base int8 needs than the cascade.
All in one run: a repetition measures each contender once, and ratios are medians of the repetitions' own ratios. Costs
are processor time, so that other work on the machine does not count; the time that a call takes is the clock's. What
the cascade asks its strong member on streams must be what it asks of whole sentences, else the run ends with an error.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from classifier_report import plot, table
from contenders import BERT_FP32, BERT_INT8, CASCADE, STRONG_MEMBER, Contenders, open_contenders
from mix import KINDS, Frame, Mix, own_pools, sentences
from random_encoder import BERT_BASE, STRONG
from sluice import shipped
from sluice.classifier import Model
from sluice.classifier.cascade import Cascade
from sluice.moderation.detector import Passage

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("numpy", "onnx", "onnxruntime", "tokenizers")
FRAME = 32
"""Deltas of a frame: what an LLM server that steps so many sequences together has ready at once."""
ON_STREAMS = "cascade on streams"
AIM_RATIO, AIM_US = 200, 30
"""BERT-base int8 needs so many times more than the cascade, at least; the cheap stage so much a delta, at most."""

_SKIM = "skimmed, frames of {}"
_MILLION = 1_000_000


class Mismatch(Exception):
    """The cascade does another thing on streams than on whole sentences."""


class Spent(NamedTuple):
    """Seconds."""

    core: float
    clock: float


class _Watch:
    """Says what has been spent since it was made."""

    def __init__(self) -> None:
        self._core, self._clock = time.process_time(), time.perf_counter()

    def spent(self) -> Spent:
        return Spent(time.process_time() - self._core, time.perf_counter() - self._clock)


def in_batches(model: Model, passages: Sequence[Passage], size: int) -> Spent:
    """Score passages, `size` a call."""
    watch = _Watch()
    for at in range(0, len(passages), size):
        model.score(passages[at : at + size])
    return watch.spent()


def one_by_one(model: Model, passages: Sequence[Passage]) -> list[Spent]:
    """Score each passage by a call of its own."""
    found = []
    for passage in passages:
        watch = _Watch()
        model.score([passage])
        found.append(watch.spent())
    return found


def on_streams(
    cascade: Cascade, frames: Sequence[Frame], passages: Sequence[Passage], *, judge: bool
) -> tuple[list[Spent], set[int]]:
    """Skim all deltas of all streams, and judge what is in doubt when it is whole, if asked to.

    Returns what each frame took, and the numbers of the sentences in doubt.
    """
    states: list[object | None] = [None] * len(passages)
    asked: set[int] = set()
    found = []
    for frame in frames:
        watch = _Watch()
        scores, after = cascade.skim([states[number] for number in frame.sentences], frame.pieces)
        for number, state in zip(frame.sentences, after, strict=True):
            states[number] = state
        if frame.ended:
            over = (scores[list(frame.ended)] >= cascade.doubt).any(axis=1)
            doubtful = [frame.sentences[frame.ended[at]] for at in np.flatnonzero(over)]
            asked.update(doubtful)
            if judge and doubtful:
                cascade.judge([passages[number] for number in doubtful])
        found.append(watch.spent())
    return found, asked


class Bench:
    """All repetitions."""

    def __init__(self, contenders: Contenders, mix: Mix, options: argparse.Namespace) -> None:
        self.contenders = contenders
        self.mix = mix
        self.options = options
        few = mix.evenly(options.bert_windows)
        self.passages = {
            name: few if name in contenders.bert else list(mix.passages) for name in self.contenders.models
        }
        self.frames = {size: mix.frames(size) for size in (FRAME, 1)}
        self.batches: dict[str, list[Spent]] = {name: [] for name in self.passages}
        self.calls: dict[str, list[list[Spent]]] = {name: [] for name in self.passages}
        streams = [*(_SKIM.format(size) for size in self.frames), ON_STREAMS]
        self.streams: dict[str, list[list[Spent]]] = {name: [] for name in streams}

    def check(self) -> dict[str, Any]:
        """Which share of each kind of sentence the strong member is asked about.

        Raises:
            Mismatch: on streams it is asked about others.
        """
        scores = self.contenders.cascade.cheap.score(self.mix.passages)
        doubtful = (scores >= self.contenders.cascade.doubt).any(axis=1)
        whole = set(np.flatnonzero(doubtful).tolist())
        for size, frames in self.frames.items():
            _, asked = on_streams(self.contenders.cascade, frames, self.mix.passages, judge=False)
            if asked != whole:
                raise Mismatch(
                    f"frames of {size}: {len(asked ^ whole)} sentences are in doubt only there, or only whole"
                )
        kinds = np.array(self.mix.kinds)
        shares = {}
        for kind, of in (("all", np.ones(len(kinds), dtype=bool)), *((kind, kinds == kind) for kind in KINDS)):
            found = int((doubtful & of).sum())
            shares[kind] = {"windows": int(of.sum()), "asked": found, "share": round(found / int(of.sum()), 4)}
        return shares

    def work(self) -> dict[str, Callable[[], None]]:
        """What is measured in each repetition, by name."""
        work: dict[str, Callable[[], None]] = {}

        def add_model(name: str, model: Model) -> None:
            def run() -> None:
                self.batches[name].append(in_batches(model, self.passages[name], self.options.batch))
                self.calls[name].append(one_by_one(model, self.passages[name]))

            work[name] = run

        def add_stream(name: str, size: int, judge: bool) -> None:
            def run() -> None:
                spent, _ = on_streams(self.contenders.cascade, self.frames[size], self.mix.passages, judge=judge)
                self.streams[name].append(spent)

            work[name] = run

        for name, model in self.contenders.models.items():
            add_model(name, model)
        for size in self.frames:
            add_stream(_SKIM.format(size), size, judge=False)
        add_stream(ON_STREAMS, FRAME, judge=True)
        return work

    def run(self, step: Callable[[str], None]) -> None:
        """Measure, each repetition from another contender on, so that none always comes after the slow one."""
        work = self.work()
        names = list(work)
        for model in self.contenders.models.values():
            model.score(self.mix.passages[:2])  # what a session allocates at its first runs
        for repeat in range(self.options.repeats):
            at = repeat * 4 % len(names)
            for name in names[at:] + names[:at]:
                step(f"repetition {repeat + 1}: {name}")
                gc.collect()
                gc.disable()
                try:
                    work[name]()
                finally:
                    gc.enable()

    def costs(self) -> dict[str, list[float]]:
        """Core-seconds per million characters of each contender, by repetition."""
        costs = {}
        for name, spent in self.batches.items():
            characters = sum(len(passage.text) for passage in self.passages[name])
            costs[name] = [one.core / characters * _MILLION for one in spent]
        costs[ON_STREAMS] = [
            sum(one.core for one in spent) / self.mix.characters * _MILLION for spent in self.streams[ON_STREAMS]
        ]
        return costs

    def windows(self) -> dict[str, Any]:
        """Of each contender: windows a second of its core, and how long a call of one takes."""
        found = {}
        for name, passages in self.passages.items():
            alone = [sum(one.core for one in spent) for spent in self.calls[name]]
            found[name] = {
                "windows": len(passages),
                "characters": sum(len(passage.text) for passage in passages),
                "windows_per_second": round(len(passages) / median(one.core for one in self.batches[name]), 1),
                "windows_per_second_one_by_one": round(len(passages) / median(alone), 1),
                **_percentiles(self.calls[name], "ms_per_call", 1e3),
            }
        return found

    def deltas(self) -> dict[str, Any]:
        """Microseconds a delta: of the cheap stage in frames of each size, and of the whole cascade."""
        found = {}
        for name, spent in self.streams.items():
            frames = self.frames[1 if name == _SKIM.format(1) else FRAME]
            deltas = sum(frame.deltas for frame in frames)
            each = [sum(one.core for one in frame) / deltas * 1e6 for frame in spent]
            found[name] = {
                "frames": len(frames),
                "deltas": deltas,
                "deltas_per_frame": round(deltas / len(frames), 2),
                "us_per_delta": round(median(each), 3),
                "us_per_delta_all": [round(value, 3) for value in each],
                **_percentiles(spent, "us_per_frame", 1e6),
            }
        return found


def _percentiles(repetitions: Sequence[Sequence[Spent]], unit: str, factor: float) -> dict[str, Any]:
    """Medians of the repetitions' p50 and p99: by the clock, and of the core's own time."""
    return {
        f"{unit}{suffix}": {
            f"p{part}": round(
                median(float(np.percentile([one[column] for one in spent], part)) for spent in repetitions) * factor, 4
            )
            for part in (50, 99)
        }
        for suffix, column in (("", 1), ("_core", 0))
    }


def ratios(costs: dict[str, list[float]]) -> dict[str, float]:
    """How many times more than the cascade the others need, on whole sentences and on streams; of the two ways to run
    BERT-base int8 the one that is cheaper in each repetition."""
    best = [min(pair) for pair in zip(*(costs[name] for name in BERT_INT8), strict=True)]
    others = {BERT_INT8[0]: best, BERT_FP32: costs[BERT_FP32], STRONG_MEMBER: costs[STRONG_MEMBER]}
    return {
        f"{other} / {ours}": round(median(a / b for a, b in zip(theirs, costs[ours], strict=True)), 2)
        for ours in (CASCADE, ON_STREAMS)
        for other, theirs in others.items()
    }


def aims(result: dict[str, Any]) -> dict[str, Any]:
    """What the stage should reach, beside what it does; nothing fails on it."""
    found = {}
    for ours in (CASCADE, ON_STREAMS):
        key = f"{BERT_INT8[0]} / {ours}"
        found[key] = {"is": result["ratios"][key], "aim": AIM_RATIO, "met": result["ratios"][key] >= AIM_RATIO}
    us = result["deltas"][_SKIM.format(FRAME)]["us_per_delta"]
    found["us_per_delta"] = {"is": us, "aim": AIM_US, "met": us <= AIM_US}
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    load_before = os.getloadavg()[0]
    pools = own_pools(options.own)
    source = "models/texts, neutral texts that training keeps apart, and the demo's clean answers"
    if options.ordinary:
        source = options.ordinary.name
        lines = options.ordinary.read_text(encoding="utf-8").splitlines()
        pools["ordinary"] = [sentence for line in lines for sentence in sentences(line)]
        if not pools["ordinary"]:
            raise SystemExit(f"{options.ordinary}: no sentence in it")
    mix = Mix(pools, streams=options.streams, sentences=options.sentences, risky=options.risky / 100, seed=options.seed)
    steps = 6 + options.repeats * 9
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory() as scratch,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task("", total=steps)

        def step(what: str) -> None:
            progress.update(task, description=f"{what:45}", advance=1)

        texts = [passage.text for passage in mix.passages]
        contenders = open_contenders(options.model, Path(scratch), texts, bert=BERT_BASE, strong=STRONG, step=step)
        bench = Bench(contenders, mix, options)
        asked = bench.check()
        bench.run(step)
        progress.update(task, completed=steps)
    costs = bench.costs()
    result: dict[str, Any] = {
        "what": "the classifier stage on one core: windows a second, time of a call, cost of a delta and of characters",
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "pinned_to": options.core,
            "threads": 1,
            "python": platform.python_version(),
            "load_before": load_before,
            "packages": {name: version(name) for name in PACKAGES},
        },
        "repeats": options.repeats,
        "seed": options.seed,
        "model": contenders.about,
        "mix": {
            "ordinary": source,
            "risky": "models/texts, near misses and violations that training keeps apart, in equal numbers",
            "risky_percent": options.risky,
            "streams": options.streams,
            "windows": len(mix.passages),
            "characters": mix.characters,
            "different_sentences": len(set(texts)),
            "strong_member_asked": asked,
        },
        "batch": options.batch,
        "windows": bench.windows(),
        "deltas": bench.deltas(),
        "core_seconds_per_million_characters": {name: round(median(values), 4) for name, values in costs.items()},
        "core_seconds_per_million_characters_all": {
            name: [round(value, 4) for value in values] for name, values in costs.items()
        },
        "ratios": ratios(costs),
    }
    result["aims"] = aims(result)
    return result


def _cpu() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=shipped.model_directory(), help="a cascade, or n-grams alone")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--sentences", type=int, default=8, help="of each stream")
    parser.add_argument("--risky", type=float, default=2.0, help="per cent of the sentences that are not ordinary")
    parser.add_argument("--ordinary", type=Path, help="ordinary text, a piece a line, in place of the project's own")
    parser.add_argument("--batch", type=int, default=64, help="sentences a call where they come in batches")
    parser.add_argument("--bert-windows", type=int, default=96, help="sentences that BERT-base reads, evenly by length")
    parser.add_argument("--core", type=int, help="run on this core alone (Linux)")
    parser.add_argument("--quick", action="store_true", help="3 repetitions, 24 sentences for BERT-base")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--own", type=Path, default=ROOT / "models" / "texts", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    options = parser.parse_args(arguments)
    if options.quick:
        options.repeats, options.bert_windows = 3, 24
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    result = measure(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "classifiers.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    plot(result, options.out / "classifiers.png")
    print(table(result))
    print(f"{options.out / 'classifiers.json'} and classifiers.png")


if __name__ == "__main__":
    main()
