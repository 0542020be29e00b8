"""`sluice demo`: the main job, live, on a broker and workers that it starts itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sluice.cli.options import Number

__all__ = ["demo"]

_INTERRUPTED = 130


@click.command()
@click.option("--plain", is_flag=True, help="Plain lines, as without a terminal.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the order, the cutting and the speeds.")
@click.option(
    "--streams",
    type=click.IntRange(1, 100_000),
    default=304,
    show_default=True,
    help="How many answers; the scripts are repeated as often as needed.",
)
@click.option(
    "--seconds",
    type=Number(1, 3600),
    default=45.0,
    show_default=True,
    help="After this, no further answer begins.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("build/demo.json"),
    show_default=True,
    help="Where the summary goes.",
)
@click.option(
    "--detectors",
    default="lexicon,classifier",
    show_default=True,
    help="Of the workers; `lexicon` leaves out the answers that only the classifier can find.",
)
@click.option(
    "--screenshot", type=click.Path(path_type=Path, dir_okay=False), help="Write the screen as SVG, during the run."
)
@click.option("--keep-logs", is_flag=True, help="Keep the logs of the workers in .sluice/demo also when all is well.")
def demo(
    plain: bool,
    seed: int,
    streams: int,
    seconds: float,
    out: Path,
    detectors: str,
    screenshot: Path | None,
    keep_logs: bool,
) -> None:
    """Moderate many generated answers at once, live.

    Starts a Kafka broker (KAFKA_BOOTSTRAP_SERVERS names another one, where topics of its own are used and deleted)
    and two workers, and stops them at the end. Exit code 0: every expected stop happened, nothing else was stopped,
    nothing leaked. 1: not so, or it could not run. 130: ended by Ctrl-C.
    """
    from sluice.demo.closing import closing
    from sluice.demo.interrupts import Interrupted
    from sluice.demo.perform import Settings, perform
    from sluice.demo.present import choose_view
    from sluice.demo.summary import write

    view = choose_view(plain, screenshot)
    settings = Settings(
        streams=streams,
        seconds=seconds,
        seed=seed,
        keep_logs=keep_logs,
        detectors=detectors,
    )
    try:
        summary = perform(settings, view)
    except Interrupted:
        click.echo("Interrupted: the workers and the broker have been stopped.", err=True)
        sys.exit(_INTERRUPTED)
    write(summary, out)
    for line in closing(summary, out):
        view.say(line)
    sys.exit(1 if summary.problems else 0)
