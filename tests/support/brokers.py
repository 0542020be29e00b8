"""Fixtures that give a test a broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.local import KafkaBroker, MockBroker

STATE = Path(__file__).resolve().parents[2] / ".sluice"
"""Where this checkout keeps the broker's jars and all data of running brokers."""


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """The real broker that all tests of a run share; a test uses topics and groups of its own.

    Never skips: a broker that does not start is an error.
    """
    with KafkaBroker(STATE) as broker:
        yield broker


@pytest.fixture
def own_kafka() -> Iterator[KafkaBroker]:
    """A real broker for one test, which may kill it. Running."""
    with KafkaBroker(STATE) as broker:
        yield broker


@pytest.fixture
def mock_kafka() -> Iterator[MockBroker]:
    """A mock broker for one test; topics are made by `create_topics` or its `create_topic`."""
    with MockBroker() as broker:
        yield broker
