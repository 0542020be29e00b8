"""`sluice lexicon test`: sentences that must and must not hit, and what a lexicon finds in plain text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sluice.cli.lexicon.given import EXIT_NOT_MET, json_option, read
from sluice.cli.terminal import print_json
from sluice.errors import LexiconError
from sluice.lexicon.sentences import COLUMNS, Trial, findings, parse_sentence
from sluice.lexicon.term import Term
from sluice.text.visible import visible

__all__ = ["test_command"]

_MAX_BYTES = 256 << 20
_STDIN = "-"


@click.command("test", short_help="Try a lexicon on sentences and texts.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--lexicon", "path", type=click.Path(path_type=Path), help="Directory or bundle. Default: the starter.")
@json_option
def test_command(files: tuple[str, ...], path: Path | None, as_json: bool) -> None:
    """Try a lexicon on FILEs; - is standard input.

    A file whose first line is `term kind text`, separated by tabs, has sentences: in a `hit` the term must be found,
    in a `miss` it must not. Exit code 3 if one fails. Any other file has one text a line, whose hits are shown.
    --json prints one object a sentence or text.
    """
    _, content = read(path)
    trials = _Trials(Trial(content), as_json)
    for file in files:
        try:
            trials.file(file)
        except LexiconError as error:
            trials.error(str(error))
    if not as_json:
        trials.summary()
    if trials.errors:
        sys.exit(1)
    if trials.failed:
        sys.exit(EXIT_NOT_MET)


class _Trials:
    """Goes through the files, tells what it finds, and counts."""

    def __init__(self, trial: Trial, as_json: bool) -> None:
        self._trial = trial
        self._json = as_json
        self._rules = {term.rule: term for term in trial.lexicon.terms}
        self.errors = self.failed = self._sentences = self._texts = self._with_hits = 0

    def error(self, message: str) -> None:
        self.errors += 1
        click.echo(f"sluice: {visible(message)}", err=True)

    def file(self, file: str) -> None:
        lines = _read(file).split("\n")
        header = lines[0].rstrip("\r").split("\t")
        sentences = sorted(header) == sorted(COLUMNS)
        for number, line in enumerate(lines, start=1):
            line = line.rstrip("\r")
            if not line.strip() or (sentences and (number == 1 or line.startswith("#"))):
                continue
            place = f"{file}:{number}"
            if not sentences:
                self._text(file, number, line)
                continue
            try:
                self._sentence(file, number, header, line)
            except LexiconError as error:
                self.error(f"{place}: {error}")

    def _sentence(self, file: str, number: int, header: list[str], line: str) -> None:
        sentence = parse_sentence(header, line)
        terms = self._trial.terms(sentence.term, Path(file).stem)
        found = any(self._trial.finds(term, sentence.text) for term in terms)
        ok = bool(terms) and found == sentence.hit
        self._sentences += 1
        self.failed += not ok
        if self._json:
            record = {"term": sentence.term, "kind": "hit" if sentence.hit else "miss", "known": bool(terms), "ok": ok}
            print_json({"file": file, "line": number, **record})
        elif not ok:
            wrong = "is not found in" if sentence.hit else "is found in"
            said = f"{sentence.term!r} {wrong}: {sentence.text}" if terms else f"{sentence.term!r} is no term"
            click.echo(visible(f"{file}:{number}: {said}"))

    def _text(self, file: str, number: int, text: str) -> None:
        found = findings(self._trial.lexicon, text)
        self._texts += 1
        self._with_hits += bool(found)
        if self._json:
            hits = [_hit(self._rules[finding.rule], finding) for finding in found]
            print_json({"file": file, "line": number, "findings": hits})
            return
        for finding in found:
            term = self._rules[finding.rule]
            span = f"[{finding.start}, {finding.end})"
            click.echo(
                visible(
                    f"{file}:{number}: {term.risk} {term.text} {span} {finding.rule} {finding.score:.2f} "
                    f"{finding.matched}: {_around(text, finding.start, finding.end)}"
                )
            )

    def summary(self) -> None:
        if self._sentences:
            click.echo(f"{self._sentences} sentences, {self.failed} failed")
        if self._texts:
            click.echo(f"{self._texts} texts, {self._with_hits} with hits")


def _hit(term: Term, finding: Any) -> dict[str, Any]:
    return {
        "term": term.text,
        "risk": finding.risk,
        "rule": finding.rule,
        "severity": term.severity,
        "score": finding.score,
        "start": finding.start,
        "end": finding.end,
        "matched": finding.matched,
    }


def _around(text: str, start: int, end: int, context: int = 12) -> str:
    """A hit with what stands beside it."""
    before, after = text[max(0, start - context) : start], text[end : end + context]
    return (
        f"{'…' if start > context else ''}{before}[{text[start:end]}]{after}{'…' if len(text) > end + context else ''}"
    )


def _read(file: str) -> str:
    try:
        if file == _STDIN:
            data = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise LexiconError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _MAX_BYTES:
        raise LexiconError(f"{file}: larger than {_MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LexiconError(f"{file}:{line}: not UTF-8 at byte {error.start}") from None
