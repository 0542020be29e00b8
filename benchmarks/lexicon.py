"""What the lexicon stage costs a delta, beside bare matchers of five kinds over the same streams in the same run.

Writes `build/bench/lexicon.json` and `.png`.

    python benchmarks/lexicon.py [--terms 1000,10000] [--repeats 7] [--quick] [--text FILE]

For each size of lexicon (terms of the starter lexicon, and made-up ones) and each size of delta, over 1,000 streams
that go forward together:
  - microseconds a delta and characters a second on one core, median of interleaved repetitions, and the ratio to the
    bare pyahocorasick scan on UTF-8 bytes, median of the repetitions' own ratios;
  - the whole stage (`LexiconScan.feed`: folding, offsets, matching, hold-back, verdicts) in two settings: `base` with
    the channels exact, folded and noise, and `all` with split, pinyin, initials and mixed too;
  - what a matcher without state misses when every delta is given to it alone;
  - how many characters the stage holds back on text without hits;
  - build time, and memory added by building, each in a process of its own; memory of one stream's state;
  - where the time of the stage goes.
Every matcher's hits are compared with those of the whole text, and the stage's with its own over the uncut text: a
difference ends the run with an error. Other work on the machine moves the absolute figures; trust the ratios.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from layers import LAYERS, Feed, Layer, Prepared, own_time
from matchers import BARE, MATCHERS, NAIVE, Hit, Matcher, Scan
from sluice.contract.decision import Finding
from sluice.lexicon import Lexicon, LexiconScan
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings
from sluice.moderation.detectors import keyed_hasher
from texts import Load, Terms, clean_lines, load, make_terms, own_lines, whole_text_hits

ROOT = Path(__file__).resolve().parents[1]

CONFIGURATIONS = {
    "base": LexiconSettings(channels={"*": {"split": 0.0, "pinyin": 0.0, "initials": 0.0, "mixed": 0.0}}),
    "all": LexiconSettings(),
}
STAGE = "stage, {}"
PACKAGES = ("pyahocorasick", "ahocorasick_rs", "daachorse", "hyperscan")

AIM_TERMS, AIM_DELTA = 10_000, 5
"""The aims of the stage are stated for this lexicon and this delta."""

_CHARS_A_STREAM = 400
_MOST_DELTAS = 40
_HASHER = keyed_hasher(b"benchmark")


class Mismatch(Exception):
    """A matcher found something else than there is."""


def deltas_of(size: int) -> int:
    """Deltas a stream: at least two, so that there is a border."""
    return max(2, min(_MOST_DELTAS, _CHARS_A_STREAM // size))


class Bench:
    """One lexicon: everything built from it, and measured."""

    def __init__(self, terms: Terms, lines: Sequence[str], options: argparse.Namespace) -> None:
        self.terms = terms
        self.lines = lines
        self.options = options
        self.matchers: dict[str, Matcher] = {kind.name: kind(terms.folded) for kind in (*MATCHERS, *NAIVE)}
        self.stages = {
            STAGE.format(name): Lexicon(Content(settings, terms.terms)) for name, settings in CONFIGURATIONS.items()
        }
        self.layers = Prepared(terms.folded)
        self.result: dict[str, Any] = {
            "terms": len(terms.terms),
            "from_starter": terms.starter,
            "longest": terms.longest,
            "deltas": {},
        }

    def load(self, size: int, *, planted: bool) -> Load:
        """The streams of one size of delta."""
        return load(
            self.lines,
            size,
            streams=self.options.streams,
            deltas=deltas_of(size),
            plant=self.terms if planted else None,
            rate=self.options.planted / 1000,
            seed=self.options.seed,
        )

    def measure(self, size: int, step: Callable[[str], None]) -> None:
        """One size of delta: check, time, and count what is held back."""
        streams = self.load(size, planted=True)
        what = f"{len(self.terms.terms):,} terms, deltas of {size}"
        step(f"{what}: check")
        missed = self.check(streams)
        runs: dict[str, list[float]] = {name: [] for name in (*self.matchers, *self.stages, *LAYERS)}
        names = list(runs)
        for repeat in range(self.options.repeats):
            step(f"{what}: repetition {repeat + 1}")
            # Each repetition begins somewhere else, so that none is always the one after the slow one.
            at = repeat * 5 % len(names)
            for name in names[at:] + names[:at]:
                runs[name].append(self.time(name, streams) / streams.deltas * 1e6)
        bare = runs[BARE]
        rates: dict[str, dict[str, Any]] = {
            name: {
                "us_per_delta": round(median(times), 3),
                "us_per_delta_all": [round(t, 3) for t in times],
                "chars_per_second": round(size / median(times) * 1e6),
                "ratio_to_bare": round(median(t / b for t, b in zip(times, bare, strict=True)), 2),
            }
            for name, times in runs.items()
            if name not in LAYERS
        }
        self.result["deltas"][str(size)] = {
            "streams": len(streams.streams),
            "deltas": streams.deltas,
            "planted": streams.planted,
            "rates": rates,
            "each_delta_alone": missed,
            "held_back": self.held_back(size),
            "breakdown": {name: self._breakdown(runs, name) for name in self.stages},
        }

    def _breakdown(self, runs: dict[str, list[float]], stage: str) -> dict[str, float]:
        """Microseconds a delta of each step, the medians of the repetitions' own differences."""
        steps, before = {}, [0.0] * self.options.repeats
        for name, times in [*((n, runs[n]) for n in LAYERS), ("bookkeeping", runs[stage])]:
            steps[name] = round(median(t - b for t, b in zip(times, before, strict=True)), 3)
            before = times
        return steps

    def time(self, name: str, streams: Load) -> float:
        """Seconds for all deltas of all streams; opening the streams does not count."""
        opened: list[Scan] = []
        feeds: list[Feed]
        if name in self.matchers:
            opened = [self.matchers[name].open() for _ in streams.streams]
            feeds = [scan.feed for scan in opened]
        elif name in self.stages:
            feeds = [LexiconScan(self.stages[name], _HASHER).feed for _ in streams.streams]
        else:
            feeds = [LAYERS[name](Layer(self.layers)) for _ in streams.streams]
        gc.collect()
        gc.disable()
        try:
            began = time.perf_counter()
            for texts, final in streams.rounds:
                for feed, text in zip(feeds, texts, strict=True):
                    feed(text, final)
            return time.perf_counter() - began
        finally:
            gc.enable()
            for scan in opened:
                scan.close()

    def check(self, streams: Load) -> dict[str, Any]:
        """Hold every matcher against the whole text; what those that see each delta alone miss is counted.

        Raises:
            Mismatch: a matcher found less, or more, or one thing twice.
        """
        expected = whole_text_hits(streams.streams, self.terms.folded)
        total = sum(map(len, expected))
        missed: dict[str, Any] = {"hits": total, "missed": {}}
        for name, matcher in self.matchers.items():
            scans = [matcher.open() for _ in streams.streams]
            for texts, final in streams.rounds:
                for scan, text in zip(scans, texts, strict=True):
                    scan.feed(text, final)
            found = [sorted(scan.hits) for scan in scans]
            for scan in scans:
                scan.close()
            if any(name == kind.name for kind in NAIVE):
                lost = total - sum(map(len, found))
                missed["missed"][name] = lost
                missed["share"] = round(lost / max(total, 1), 3)
                wrong = [n for n, (a, b) in enumerate(zip(found, expected, strict=True)) if not set(a) <= set(b)]
            else:
                wrong = [n for n, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]
            if wrong:
                raise Mismatch(f"{name}: other hits than the whole text has in {len(wrong)} streams, e.g. {wrong[0]}")
        for name, lexicon in self.stages.items():
            self._check_stage(name, lexicon, streams, expected)
        return missed

    def _check_stage(self, name: str, lexicon: Lexicon, streams: Load, expected: list[list[Hit]]) -> None:
        made = {term.rule for term in self.terms.terms[self.terms.starter :]}
        rules = [term.rule for term in self.terms.terms]
        scans = [LexiconScan(lexicon, _HASHER) for _ in streams.streams]
        found: list[list[Finding]] = [[] for _ in scans]
        for texts, final in streams.rounds:
            for findings, scan, text in zip(found, scans, texts, strict=True):
                findings += scan.feed(text, final).findings
        for number, (text, findings) in enumerate(zip(streams.streams, found, strict=True)):
            uncut = LexiconScan(lexicon, _HASHER).feed(text, True).findings
            if sorted(map(_key, findings)) != sorted(map(_key, uncut)):
                raise Mismatch(f"{name}: stream {number} cut into deltas has other findings than uncut")
            there = [(rules[n], start, end) for start, end, n in expected[number] if n >= self.terms.starter]
            exact = {(f.rule, f.start, f.end) for f in findings if f.matched == "exact" and f.rule in made}
            spans = [(f.start, f.end) for f in findings]
            # A finding may stand for the hits inside it. Of the starter's terms some hits are none: inside a longer
            # word, or in an allowed context.
            covered = all(any(a <= start and end <= b for a, b in spans) for _, start, end in there)
            if not exact <= set(there) or not covered:
                raise Mismatch(f"{name}: stream {number} has other exact hits than its text")

    def held_back(self, size: int) -> dict[str, Any]:
        """Characters held back after each delta but the last, on text without hits."""
        streams = self.load(size, planted=False)
        result = {}
        for name, lexicon in self.stages.items():
            scans = [LexiconScan(lexicon, _HASHER) for _ in streams.streams]
            held: list[int] = []
            for turn, (texts, _) in enumerate(streams.rounds[:-1], 1):
                held += (turn * size - scan.feed(t, False).cleared for scan, t in zip(scans, texts, strict=True))
            result[name] = {
                "mean": round(sum(held) / len(held), 3),
                "none": round(held.count(0) / len(held), 3),
                "most": max(held),
            }
        return result

    def profile(self, size: int) -> None:
        """Add the profiler's view of the stage in both settings."""
        streams = self.load(size, planted=True)
        self.result["own_time"] = {name: own_time(partial(self.time, name, streams)) for name in self.stages}


def _key(finding: Finding) -> tuple[Any, ...]:
    return finding.start, finding.end, finding.rule, finding.matched, finding.score


def build_alone(name: str, terms: Terms, lines: Sequence[str]) -> dict[str, Any]:
    """Build one matcher or stage in a fresh process: seconds, and MiB that it added."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        settings = {STAGE.format(key): value for key, value in CONFIGURATIONS.items()}.get(name, LexiconSettings())
        file.write(msgspec.json.encode([Content(settings, terms.terms), lines[:200]]))
        file.flush()
        done = subprocess.run(
            [sys.executable, __file__, "--alone", name, "--content", file.name],
            stdout=subprocess.PIPE,
            check=True,
            timeout=600,
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def alone(name: str, path: Path) -> None:
    """What the fresh process does."""
    content, lines = msgspec.json.decode(path.read_bytes(), type=tuple[Content, list[str]])
    folded = list(dict.fromkeys(term.folded for term in content.terms))
    before, count = _resident(), 5_000
    began = time.perf_counter()
    if name.startswith("stage"):
        lexicon = Lexicon(content)
    else:
        (kind,) = [kind for kind in MATCHERS if kind.name == name]
        matcher = kind(folded)
    seconds = time.perf_counter() - began
    peak, added = _resident("VmHWM") - before, _resident() - before
    scans: list[Any]
    if name.startswith("stage"):
        scans = [LexiconScan(lexicon, _HASHER) for _ in range(count)]
    else:
        scans = [matcher.open() for _ in range(count)]
    for turn in range(20):
        for number, scan in enumerate(scans):
            scan.feed(lines[(number + turn) % len(lines)][:20], False)
    per_scan = (_resident() - before - added) / count
    for scan in scans:
        if isinstance(scan, Scan):
            scan.close()
    mib = 1 << 20
    figures = {
        "build_seconds": round(seconds, 3),
        "mib_added": round(added / mib, 1),
        "mib_at_peak": round(peak / mib, 1),
        "bytes_per_stream": round(per_scan),
    }
    print(json.dumps(figures))


def _resident(what: str = "VmRSS") -> int:
    """Bytes of memory of this process, without what it has let go of; 0 where there is no /proc."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if what == "VmRSS":
        _trim()
    return next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith(what))


def _trim() -> None:
    import ctypes

    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library
        return


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as it goes into the JSON."""
    load_before = os.getloadavg()[0]
    raw = options.text.read_text(encoding="utf-8").splitlines() if options.text else own_lines(options.own)
    lines = clean_lines(raw)
    if not lines:
        raise SystemExit("no line of the text is without a term of the starter lexicon")
    result: dict[str, Any] = {
        "what": "microseconds a delta of the lexicon stage and of bare matchers, over streams that go forward together",
        "machine": {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load_before": load_before,
            "packages": {name: version(name) for name in PACKAGES},
        },
        "repeats": options.repeats,
        "seed": options.seed,
        "text": {
            "source": options.text.name if options.text else "models/texts, harmless Chinese rows",
            "lines": len(lines),
            "characters": sum(map(len, lines)),
            "planted_per_1000_characters": options.planted,
            "made_up_terms": "2 to 6 characters drawn by how often the text has them, none of them in the text",
        },
        "lexicons": {},
    }
    aim = AIM_TERMS if AIM_TERMS in options.terms else max(options.terms)
    # One step for each repetition and the check before, and one for each thing built by itself.
    apart = [kind.name for kind in MATCHERS] + [STAGE.format(name) for name in CONFIGURATIONS]
    steps = len(options.terms) * (len(options.deltas) * (options.repeats + 1) + len(apart) + 1)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=steps)

        def step(what: str) -> None:
            progress.update(task, description=f"{what:45}", advance=1)

        for count in options.terms:
            terms = make_terms(count, lines, seed=options.seed, starter=not options.no_starter)
            built = {}
            for name in apart:
                step(f"{count:,} terms: build {name}")
                built[name] = build_alone(name, terms, lines)
            step(f"{count:,} terms: build all")
            bench = Bench(terms, lines, options)
            gc.collect()
            gc.freeze()  # the lexicons are not walked at every collection
            for size in options.deltas:
                bench.measure(size, step)
            if count == aim:
                bench.profile(AIM_DELTA if AIM_DELTA in options.deltas else options.deltas[0])
            gc.unfreeze()
            result["lexicons"][str(count)] = bench.result | {"built": built}
            del bench
    result["aims"] = aims(result)
    return result


def aims(result: dict[str, Any]) -> dict[str, Any]:
    """What the stage should cost at most, beside what it does; nothing fails on it."""
    found = result["lexicons"].get(str(AIM_TERMS), {}).get("deltas", {}).get(str(AIM_DELTA))
    if found is None:
        return {}
    reached: dict[str, Any] = {"terms": AIM_TERMS, "delta": AIM_DELTA}
    for name in map(STAGE.format, CONFIGURATIONS):
        rate = found["rates"][name]
        figures = {
            "us_per_delta": (rate["us_per_delta"], 2.0),
            "ratio_to_bare": (rate["ratio_to_bare"], 2.0),
            "held_back_mean": (found["held_back"][name]["mean"], 1.0),
        }
        reached[name] = {
            key: {"is": value, "aim": most, "met": value <= most} for key, (value, most) in figures.items()
        }
    return reached


def table(result: dict[str, Any], size: int) -> str:
    """Microseconds a delta of one size, a line for each matcher and a column for each lexicon."""
    counts = list(result["lexicons"])
    names = result["lexicons"][counts[0]]["deltas"][str(size)]["rates"]
    lines = [f"{f'us a delta of {size}':32}" + "".join(f"{int(count):>20,}" for count in counts)]
    for name in names:
        cells = [result["lexicons"][count]["deltas"][str(size)]["rates"][name] for count in counts]
        lines.append(f"{name:32}" + "".join(f"{c['us_per_delta']:12.2f} (x{c['ratio_to_bare']:5.2f})" for c in cells))
    return "\n".join(lines)


def plot(result: dict[str, Any], path: Path) -> None:
    """Cost by lexicon and by delta, and where it goes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = list(result["lexicons"])
    sizes = list(result["lexicons"][counts[0]]["deltas"])
    count = str(AIM_TERMS) if str(AIM_TERMS) in counts else counts[-1]
    size = str(AIM_DELTA) if str(AIM_DELTA) in sizes else sizes[0]
    names = [*(kind.name for kind in MATCHERS), *map(STAGE.format, CONFIGURATIONS)]
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(14, 4.2))
    for name in names:
        style = "-o" if name.startswith("stage") else "--."
        by_terms = [result["lexicons"][c]["deltas"][size]["rates"][name]["us_per_delta"] for c in counts]
        by_size = [result["lexicons"][count]["deltas"][s]["rates"][name]["us_per_delta"] for s in sizes]
        left.plot([int(c) for c in counts], by_terms, style, label=name)
        middle.plot([int(s) for s in sizes], by_size, style, label=name)
    for axes, label in ((left, f"terms (deltas of {size})"), (middle, f"characters a delta ({int(count):,} terms)")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("microseconds a delta")
        axes.grid(alpha=0.3)
    left.legend(fontsize=7)
    parts = result["lexicons"][count]["deltas"][size]["breakdown"]
    bottom = [0.0] * len(parts)
    for step in next(iter(parts.values())):
        heights = [max(parts[name][step], 0.0) for name in parts]
        right.bar(list(parts), heights, 0.6, bottom=bottom, label=step)
        bottom = [b + h for b, h in zip(bottom, heights, strict=True)]
    right.set_ylabel(f"microseconds a delta of {size}, {int(count):,} terms")
    right.legend(fontsize=7)
    figure.suptitle(f"one core, {result['lexicons'][counts[0]]['deltas'][size]['streams']:,} streams in turn")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.replace("_", "").split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", type=_numbers, default=[1_000, 10_000, 50_000, 100_000])
    parser.add_argument("--deltas", type=_numbers, default=[2, 5, 20, 200], help="characters a delta")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--planted", type=float, default=1.0, help="terms put into 1,000 characters")
    parser.add_argument("--text", type=Path, help="harmless text, a piece a line, in place of the project's own")
    parser.add_argument("--no-starter", action="store_true", help="made-up terms only, so that none is longer than 6")
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 terms, 3 repetitions")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--own", type=Path, default=ROOT / "models" / "texts", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--content", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.alone:
        alone(options.alone, options.content)
        return
    if options.quick:
        options.terms, options.repeats = [1_000, 10_000], 3
    result = measure(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "lexicon.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    plot(result, options.out / "lexicon.png")
    for size in options.deltas:
        print(table(result, size), end="\n\n")
    print(f"{options.out / 'lexicon.json'} and lexicon.png")


if __name__ == "__main__":
    main()
