"""A broker with topics of the test's own: the mock, and Apache Kafka."""

from __future__ import annotations

import pytest
from place import Place, make_place

from sluice.local import MockBroker


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "mock_kafka"])
async def place(request: pytest.FixtureRequest) -> Place:
    """Each test once on the real broker and once on the mock."""
    return await make_place(request.getfixturevalue(request.param))


@pytest.fixture
async def mock_place(mock_kafka: MockBroker) -> Place:
    """The mock alone, for what only it can be made to do."""
    return await make_place(mock_kafka)
