"""`sluice kafka`: a Kafka on this machine, to try things on."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

__all__ = ["kafka"]


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder to keep its data in. Default: gone at the end.")
def kafka(data: Path | None) -> None:
    """Run a Kafka on this machine until Ctrl-C or SIGTERM. Not for production: one broker, no security."""
    from sluice.local import KafkaBroker

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with KafkaBroker(Path(".sluice"), data) as broker:
        click.echo(f"{broker.name} is running; in another terminal:")
        click.echo(f"export KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap}")
        stop.wait()
