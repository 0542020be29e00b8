"""`sluice check`: moderate whole texts, without a broker."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

__all__ = ["check"]

_STYLES = {"release": "green", "flag": "yellow", "stop": "bold red"}
_PROGRESS_BYTES = 200_000
"""Files together larger than this show a progress bar."""
_EXIT_FOUND = 3
_OPTIONAL = ("attribute", "matched", "hint")
"""Of a finding, what not every one has."""


@click.command()
@click.argument("texts", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text, instead of the view for people.")
@click.option("--profile", default="default", show_default=True, help="Profile of the policy.")
@click.option("--policy", type=click.Path(path_type=Path), help="Policy file. Default: the shipped profiles.")
@click.option(
    "--lexicon", type=click.Path(path_type=Path), help="Lexicon: directory or bundle. Default: the starter lexicon."
)
@click.option("--model", type=click.Path(path_type=Path), help="Model directory. Default: the shipped model.")
@click.option("--whole", is_flag=True, help="Take each file as one text, not as one text a line.")
@click.option(
    "--fail-on",
    type=click.Choice(["flag", "stop"]),
    help=f"Exit with {_EXIT_FOUND} when a text is flagged or stopped, or stopped.",
)
def check(
    texts: tuple[str, ...],
    as_json: bool,
    profile: str,
    policy: Path | None,
    lexicon: Path | None,
    model: Path | None,
    whole: bool,
    fail_on: str | None,
) -> None:
    """Check TEXTS: each a text, a file, or - for standard input.

    A file holds one text a line, plain or as {"id": …, "text": …}. A line that cannot be read is named on standard
    error, the others are checked, and the exit code is 1.
    """
    from sluice.cli.texts import GivenText, read_texts
    from sluice.moderation.moderator import Moderator
    from sluice.policy import Policy

    scorer: Any = None
    if model is not None:
        from sluice.classifier import load_model

        scorer = load_model(model)
    moderator = Moderator(profile, policy=Policy.load(policy) if policy else None, lexicon=lexicon, scorer=scorer)
    errors = 0
    counts = dict.fromkeys(_STYLES, 0)

    def on_error(message: str) -> None:
        nonlocal errors
        errors += 1
        click.echo(f"sluice: {message}", err=True)

    with _Progress(texts) as progress:
        given: deque[GivenText] = deque()  # read and not shown yet

        def sources() -> Iterator[str]:
            for text in read_texts(texts, whole=whole, on_error=on_error, on_bytes=progress.advance):
                given.append(text)
                yield text.text

        show = _print_json if as_json else _print_view
        for moderation in moderator.check_many(sources()):
            counts[moderation.action] += 1
            show(given.popleft(), moderation)
    if not as_json and sum(counts.values()) > 1:
        click.echo(", ".join(f"{name}: {count}" for name, count in counts.items()))
    if errors:
        sys.exit(1)
    if (fail_on and counts["stop"]) or (fail_on == "flag" and counts["flag"]):
        sys.exit(_EXIT_FOUND)


class _Progress:
    """A bar on standard error, where it is a terminal, the results are not, and there is much to read."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        sizes = [os.path.getsize(a) for a in arguments if len(a) < 4_096 and "\0" not in a and os.path.isfile(a)]
        self._total = sum(sizes)
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Progress:
        if self._total >= _PROGRESS_BYTES and sys.stderr.isatty() and not sys.stdout.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("checking", total=self._total)
        return self

    def advance(self, size: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, size)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _print_json(given: Any, moderation: Any) -> None:
    record = {
        "id": given.id,
        "action": moderation.action,
        "findings": [
            {
                "risk": f.risk,
                "source": f.source,
                "rule": f.rule,
                "score": f.score,
                "start": f.start,
                "end": f.end,
                **{name: value for name in _OPTIONAL if (value := getattr(f, name))},
            }
            for f in moderation.findings
        ],
        "scores": moderation.scores,
        "versions": moderation.versions,
    }
    sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")


def _print_view(given: Any, moderation: Any) -> None:
    from rich.console import Console
    from rich.text import Text

    from sluice.risks import risk

    console = Console(highlight=False, soft_wrap=True)
    style = _STYLES[moderation.action]
    shown = Text(_visible(given.text))
    for finding in moderation.findings:
        mark = "black on red" if moderation.action == "stop" else "black on yellow"
        shown.stylize(f"underline {mark}" if finding.source == "lexicon" else "underline", finding.start, finding.end)
    console.print(Text(f"{moderation.action:8}", style=style), shown, sep="")
    for finding in moderation.findings:
        named = risk(finding.risk)
        line = Text("        ")
        line.append(finding.risk, style=style)
        line.append(f" {named.zh} / {named.en}")
        if finding.attribute:
            line.append(f" ({finding.attribute})")
        line.append(
            f"  [{finding.start}, {finding.end})  {finding.source} {finding.rule}"
            f"{f' {finding.matched}' if finding.matched not in ('', 'exact') else ''}  {finding.score:.2f}",
            style="dim",
        )
        console.print(line)


def _visible(text: str) -> str:
    """Control characters as symbols, one for one: a text must not steer the terminal."""
    return "".join(
        c if c.isprintable() or c == "\n" else chr(0x2400 + ord(c)) if ord(c) < 0x20 else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )
