"""Brokers and processes on this machine: for the demo, the tests, and for trying things out."""

from sluice.local.broker import Broker, ExternalBroker
from sluice.local.choose import choose_broker
from sluice.local.cleanup import delete_topics
from sluice.local.kafka import KafkaBroker
from sluice.local.mock import MockBroker
from sluice.local.processes import EXIT_CONFIG, Slot, Supervisor
from sluice.local.topics import create_topics
from sluice.local.workers import worker_slots

__all__ = [
    "EXIT_CONFIG",
    "Broker",
    "ExternalBroker",
    "KafkaBroker",
    "MockBroker",
    "Slot",
    "Supervisor",
    "choose_broker",
    "create_topics",
    "delete_topics",
    "worker_slots",
]
