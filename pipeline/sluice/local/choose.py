"""Picks the best broker that this machine offers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from sluice.errors import UnavailableError
from sluice.local.broker import Broker, ExternalBroker
from sluice.local.jars import available
from sluice.local.kafka import KafkaBroker
from sluice.local.mock import MockBroker

__all__ = ["choose_broker"]


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def choose_broker(root: Path, say: Callable[[str], None] = _to_stderr) -> Broker:
    """The broker to use, not started yet; `root` is the state folder (`.sluice`).

    In this order: the one that KAFKA_BOOTSTRAP_SERVERS names; Apache Kafka, if Java and Maven are here (or Java, and
    Kafka was brought before); the mock broker, after telling `say` why, how to get Java and Maven, and that nothing
    survives it.
    """
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()
    if servers:
        return ExternalBroker(servers)
    try:
        available(root)
    except UnavailableError as error:
        say(f"Apache Kafka cannot be started here. {error}")
        say("Using the mock broker inside this process instead. It is NOT durable: when it ends, all records are gone.")
        return MockBroker()
    return KafkaBroker(root)
