"""`sluice check`: moderate whole texts, without a broker."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from sluice.cli.options import deciding_options
from sluice.text.visible import visible

__all__ = ["check"]

_STYLES = {"release": "green", "flag": "yellow", "stop": "bold red"}
_EXIT_FOUND = 3
_OPTIONAL = ("attribute", "matched", "hint")
"""Of a finding, what not every one has."""


@click.command()
@click.argument("texts", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text, instead of the view for people.")
@deciding_options
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
    from sluice.cli.progress import FileProgress
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

    with FileProgress(texts, "checking") as progress:
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
        "scores": {name: round(score, 4) for name, score in moderation.scores.items()},
        "versions": moderation.versions,
        **({"unscanned": True} if moderation.unscanned else {}),
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
    if moderation.unscanned:
        console.print(Text("        some of it passed without scores of the model, which failed", style="yellow"))
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
    """Visible one for one, over several lines where it has them: a text must not steer the terminal."""
    return "\n".join(map(visible, text.split("\n")))
