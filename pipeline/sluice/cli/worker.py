"""`sluice worker`: one worker process. `sluice workers`: several, each started again when it dies."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sluice.cli.options import Number, hash_key
from sluice.errors import InputError

__all__ = ["worker", "workers"]

_OPTIONS = [
    click.option(
        "--bootstrap",
        envvar="KAFKA_BOOTSTRAP_SERVERS",
        default="localhost:9092",
        show_default=True,
        help="Kafka brokers, host:port[,host:port…].",
    ),
    click.option("--app-id", default="sluice", show_default=True, help="Consumer group, and changelog name."),
    click.option(
        "--partitions",
        type=click.IntRange(1, 10_000),
        default=4,
        show_default=True,
        help="Partitions of the outputs topic.",
    ),
    click.option("--policy", type=click.Path(path_type=Path), help="Policy file. Default: the shipped profiles."),
    click.option("--lexicon", type=click.Path(path_type=Path), help="Lexicon, or bundle. Default: the starter."),
    click.option("--model", type=click.Path(path_type=Path), help="Model directory. Default: the shipped model."),
    click.option(
        "--provider",
        type=click.Choice(["cpu", "cuda"]),
        default="cpu",
        show_default=True,
        help="Where a transformer runs. `cuda` needs onnxruntime-gpu.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="CPU threads of one run of a transformer.",
    ),
    click.option(
        "--judge-wait-ms",
        type=Number(0, 1_000),
        default=5.0,
        show_default=True,
        help="How long a sentence may wait for others that the strong model judges with it.",
    ),
    click.option(
        "--detectors",
        default="lexicon,classifier",
        show_default=True,
        help="Detectors to run; `lexicon` narrows every profile to it.",
    ),
    click.option(
        "--session-timeout",
        type=Number(1, 300),
        default=6.0,
        show_default=True,
        help="Seconds without a heartbeat after which a worker's partitions go to another.",
    ),
    click.option("--topics-prefix", default="", help="In front of every topic name, e.g. `staging.`."),
    click.option("--mock-broker", is_flag=True, hidden=True, help="The broker is librdkafka's mock."),
]


def _options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command()
@_options
@click.option("--slot", default="0", show_default=True, help="Stable name of this worker's place in the group.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=0, help="Prometheus on 127.0.0.1; 0: none.")
def worker(app_id: str, slot: str, topics_prefix: str, judge_wait_ms: float, detectors: str, **same: Any) -> None:
    """Run one worker until SIGTERM or Ctrl-C.

    The topics must be there (`sluice topics create`). SLUICE_HASH_KEY in the environment is the secret of the hashes
    in decisions; without it they compare only within one process.
    """
    from sluice.contract.topics import Topics
    from sluice.local import EXIT_CONFIG
    from sluice.worker.app import run_worker
    from sluice.worker.settings import WorkerSettings

    settings = WorkerSettings(
        slot=f"{app_id}-{slot}",
        app_id=app_id,
        topics=Topics.prefixed(topics_prefix),
        judge_wait=judge_wait_ms / 1000,
        detectors=tuple(name.strip() for name in detectors.split(",")),
        hash_key=hash_key(),
        **same,  # the other options are settings of the same name
    )
    try:
        run_worker(settings)
    except InputError as error:
        click.echo(f"sluice: {error}", err=True)
        sys.exit(EXIT_CONFIG)


@click.command()
@_options
@click.option("--count", type=click.IntRange(1, 256), default=2, show_default=True, help="Worker processes.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), default=0, help="Of the first worker; the others count up."
)
@click.option("--logs", type=click.Path(path_type=Path), default=Path(".sluice/workers"), show_default=True)
def workers(count: int, metrics_port: int, logs: Path, **options: Any) -> None:
    """Run several workers and start each again at once when it dies. Ctrl-C or SIGTERM stops them all."""
    from sluice.local import Supervisor, worker_slots
    from sluice.local.children import tail

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Supervisor(worker_slots(count, logs, metrics_port, **options)) as supervisor:
        click.echo(f"starting {count} worker(s); logs in {logs}")
        waiting = True
        while not stop.wait(0.5):
            supervisor.check()
            if waiting and all("is ready" in tail(slot.log, 1_000) for slot in supervisor.slots):
                click.echo("the workers are ready")
                waiting = False
