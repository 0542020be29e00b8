"""The demo from beginning to end: brings everything up, shows it, judges it, and takes everything down again."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from sluice.client import ModerationClient
from sluice.demo.interrupts import Interrupted, Interrupts
from sluice.demo.present import View
from sluice.demo.scripts import load_scripts
from sluice.demo.show import Show
from sluice.demo.stage import WORKERS, Stage
from sluice.demo.stream import SETTLE_SECONDS
from sluice.demo.summary import Summary, summarize
from sluice.local import Broker, choose_broker

__all__ = ["Settings", "perform"]

_LONGEST_SECONDS = 20.0
"""The tokens of a stream that begins at the last moment; the longest script takes about 5 s."""
_CHECK_SECONDS = 0.5


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen."""

    streams: int
    seconds: float
    """After this, no further stream begins."""
    seed: int = 1
    state: Path = Path(".sluice")
    keep_logs: bool = False
    """Without it, the logs are removed unless something went wrong."""
    detectors: str = "lexicon,classifier"
    worker_options: Mapping[str, object] = {}
    """Further options of `sluice worker`, by name."""


def perform(settings: Settings, view: View) -> Summary:
    """Run it, in the main thread. Blocks until everything that was started has been stopped.

    Raises:
        UnavailableError: broker or workers cannot be used.
        Interrupted: a signal asked for the end.
    """
    logs = settings.state / "demo" / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:4]}"
    try:
        summary = _on_stage(settings, view, logs)
    except Interrupted:
        if not settings.keep_logs:
            shutil.rmtree(logs, ignore_errors=True)
        raise
    if summary.problems or settings.keep_logs:
        view.say(f"Logs are in {logs}")
    else:
        shutil.rmtree(logs, ignore_errors=True)
    return summary


def _on_stage(settings: Settings, view: View, logs: Path) -> Summary:
    # Left in the opposite order: first the signals are held back, then what was started is stopped.
    with Interrupts() as interrupts, _logging_to(logs / "demo.log"), ExitStack() as started, interrupts.allowed():
        began = time.monotonic()
        broker = choose_broker(settings.state, view.say)
        view.say(f"Broker: {broker.name} …")
        started.enter_context(broker)
        view.say(f"  ready after {time.monotonic() - began:.1f} s at {broker.bootstrap}")
        stage = Stage(broker, logs, settings.detectors, settings.worker_options)
        started.callback(stage.close)
        return interrupts.run(_run(settings, view, broker, stage))


async def _run(settings: Settings, view: View, broker: Broker, stage: Stage) -> Summary:
    began = time.monotonic()
    scripts = load_scripts()
    if "classifier" not in settings.detectors:
        # Nobody could find these.
        scripts = [script for script in scripts if script.expect is None or script.expect.source != "classifier"]
    show = Show(scripts, settings.streams, settings.seed)
    problems: list[str] = []
    view.say(f"Starting {WORKERS} workers; their logs are in {stage.logs} …")
    await stage.open()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                ModerationClient(broker.bootstrap, producer, topics=stage.topics, policy=stage.policy)
            )
            for producer in stage.producer_ids()
        ]
        working = await stage.ready(clients)
        view.say(f"  ready after {time.monotonic() - began:.1f} s")
        if working < WORKERS:
            view.say(f"  The mock broker has lost a worker from the group: {working} of {WORKERS} does all the work.")
        try:
            async with asyncio.timeout(settings.seconds + _LONGEST_SECONDS + SETTLE_SECONDS):
                await _until_one_ends(
                    show.play(clients, settings.seconds),
                    view.follow(show, _title(broker, stage)),
                    _watch(stage),
                )
        except TimeoutError:
            problems.append("the streams did not end in time")
    workers = await asyncio.to_thread(stage.reports)
    return summarize(show, broker, workers, settings.seed, problems)


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run them side by side until the first one ends; what it raised is raised here."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _watch(stage: Stage) -> None:
    """Ends only by the error that says why a worker cannot be kept running."""
    while True:
        stage.supervisor.check()
        await asyncio.sleep(_CHECK_SECONDS)


def _title(broker: Broker, stage: Stage) -> str:
    durable = "" if broker.durable else " (not durable)"
    detectors = stage.detectors.replace(",", " + ")
    return f"Sluice · {broker.name.partition(' (')[0]}{durable} · {WORKERS} workers · {detectors}"


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """The log of this process goes to a file: on the screen it would tear the view apart."""
    path.parent.mkdir(parents=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
