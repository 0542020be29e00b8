"""`sluice lexicon activate` and `sluice lexicon active`: which lexicon the running workers use."""

from __future__ import annotations

import asyncio
import getpass
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluice.cli.options import Number

if TYPE_CHECKING:
    from sluice.contract.controls import WorkerStatus
    from sluice.contract.topics import Topics
    from sluice.lexicon.files import Content

__all__ = ["activate", "active"]

_OPTIONS = [
    click.option("--bootstrap", envvar="KAFKA_BOOTSTRAP_SERVERS", default="localhost:9092", show_default=True),
    click.option("--topics-prefix", default="", help="In front of every topic name, e.g. `staging.`."),
]


def _options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@_options
@click.option(
    "--wait",
    type=Number(0, 3600),
    default=60.0,
    show_default=True,
    help="Seconds to wait for every running worker; 0: do not wait.",
)
@click.option("--by", default="", help="Who activates it; recorded. Default: the name of the user.")
def activate(path: Path, bootstrap: str, topics_prefix: str, wait: float, by: str) -> None:
    """Make all running workers use the lexicon at PATH, a directory or a bundle; none is restarted.

    It is checked first: one that is not what it must be is not sent. Exit status 3 when a worker refuses it or does not
    take it up in time. An older lexicon activated again is a rollback.
    """
    from sluice.cli.lexicon.given import EXIT_NOT_MET
    from sluice.contract.topics import Topics

    content = _checked(path)
    all_active = asyncio.run(_activate(bootstrap, Topics.prefixed(topics_prefix), content, wait, by or _user()))
    sys.exit(0 if all_active else EXIT_NOT_MET)


@click.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def active(bootstrap: str, topics_prefix: str, as_json: bool) -> None:
    """Show which lexicon is active, and which one each worker uses."""
    import msgspec

    from sluice.client.controls import lexicon_status, present
    from sluice.contract.controls import BadActivation
    from sluice.contract.topics import Topics
    from sluice.text.visible import visible

    view = asyncio.run(lexicon_status(bootstrap, topics=Topics.prefixed(topics_prefix)))
    now = time.time()
    running = {status.slot for status in present(view, now)}
    workers = sorted(view.statuses.values(), key=lambda status: status.slot)
    if as_json:
        found = {
            "active": view.wanted,
            "workers": [{**msgspec.to_builtins(status), "running": status.slot in running} for status in workers],
        }
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    if view.wanted is None:
        click.echo("no lexicon is activated: every worker uses the one that it was started with")
    elif isinstance(view.wanted, BadActivation):
        click.echo(f"the activation cannot be read: {view.wanted.reason}")
    else:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(view.wanted.activated_at))
        by = visible(view.wanted.by) or "nobody named"
        click.echo(f"lexicon {view.wanted.bundle.version}, activated {when} by {by}")
    for status in workers:
        told = f"{status.state} {status.lexicon}" + (f": {status.reason}" if status.reason else "")
        heard = "" if status.slot in running or status.state == "stopped" else f" (silent for {now - status.at:.0f} s)"
        click.echo(visible(f"  worker {status.slot}: {told}{heard}"))


def _checked(path: Path) -> Content:
    """What is at `path`.

    Raises:
        LexiconError: it cannot be read, `sluice lexicon check` finds an error in it, or no term of it is valid today.
    """
    from datetime import date

    from sluice.cli.lexicon.given import refuse, survey
    from sluice.errors import LexiconError
    from sluice.lexicon.conflicts import find_conflicts
    from sluice.lexicon.lexicon import Lexicon

    name, reading = survey(path)
    refuse([*reading.problems, *find_conflicts(reading, date.today())])
    if Lexicon(reading.content, today=date.today()).empty:
        raise LexiconError(f"{name}: no term of it is valid today")
    return reading.content


async def _activate(bootstrap: str, topics: Topics, content: Content, wait: float, by: str) -> bool:
    """Whether every worker that runs uses it now; also when that was not to be waited for."""
    from sluice.client.controls import activate_lexicon, lexicon_status, present
    from sluice.text.visible import visible

    before = await lexicon_status(bootstrap, topics=topics)
    waiting = {status.slot for status in present(before, time.time())}
    activation = await activate_lexicon(bootstrap, content, topics=topics, by=by)
    ref = activation.bundle
    click.echo(f"lexicon {ref.version} is activated: {len(content.terms):,} terms, {ref.size:,} bytes")
    if not waiting:
        click.echo("no worker has reported within the last minute")
    if not waiting or not wait:
        return True
    refused: set[str] = set()
    try:
        async with asyncio.timeout(wait):
            async for status in _answers(bootstrap, topics, activation.id):
                took = f"active in {time.time() - activation.activated_at:.1f} s"
                told = took if status.state == "active" else _refusal(status)
                click.echo(visible(f"  worker {status.slot}: {told}"))
                if status.state == "refused":
                    refused.add(status.slot)
                waiting.discard(status.slot)
                if not waiting:
                    break
    except TimeoutError:
        for slot in sorted(waiting):
            click.echo(visible(f"  worker {slot}: no answer within {wait:g} s"))
    return not waiting and not refused


async def _answers(bootstrap: str, topics: Topics, activation: str) -> AsyncIterator[WorkerStatus]:
    """Each worker's answer to an activation, as it comes.

    Raises:
        UnavailableError: the broker is lost, or another lexicon was activated meanwhile.
    """
    from sluice.client.controls import watch_controls
    from sluice.errors import UnavailableError

    told: set[str] = set()
    async for view in watch_controls(bootstrap, topics=topics):
        for status in list(view.statuses.values()):
            if status.activation == activation and status.state != "stopped" and status.slot not in told:
                told.add(status.slot)
                yield status
        if view.wanted is None or view.wanted.id != activation:
            raise UnavailableError("another lexicon has been activated meanwhile; see `sluice lexicon active`")


def _refusal(status: WorkerStatus) -> str:
    return f"refused, {status.lexicon} stays in use: {status.reason}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""
