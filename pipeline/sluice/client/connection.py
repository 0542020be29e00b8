"""What every client of this room has in common: how it reaches the broker, and which partition is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from sluice.contract.frame import Id
from sluice.contract.limits import Limits
from sluice.contract.topics import Topics
from sluice.errors import InputError, UnavailableError

__all__ = ["LIMITS", "START_SECONDS", "TOPICS", "Connection", "check_id", "no_topic", "partition_for", "reaching"]

Connection = Mapping[str, Any]
"""Arguments of aiokafka's clients for the connection alone: `security_protocol`, `ssl_context`, `sasl_…`."""

TOPICS = Topics()
LIMITS = Limits()

START_SECONDS = 15.0
"""How long a start may take. A broker at rest answers in milliseconds; one that just fails over needs some seconds."""

_partitioner = DefaultPartitioner()


def partition_for(producer_id: str, partitions: int) -> int:
    """The partition of a producer id among so many: Kafka's default (murmur2 of its UTF-8), as all clients use."""
    choices = list(range(partitions))
    found: int = _partitioner(producer_id.encode(), choices, choices)
    return found


def check_id(value: object, what: str) -> None:
    """Refuse what cannot be an id on the wire.

    Raises:
        InputError: it is no string, empty, too long, or holds a lone surrogate.
    """
    if not isinstance(value, str):
        raise InputError(f"{what} must be a str, not {type(value).__name__}")
    try:
        msgspec.convert(value, Id)
        value.encode()
    except msgspec.ValidationError as error:
        raise InputError(f"{what}: {error}") from None
    except UnicodeEncodeError as error:
        raise InputError(f"{what}: a lone surrogate at index {error.start} is no character") from None


def no_topic(bootstrap: str, *topics: str) -> str:
    """The message for topics that are not there."""
    return f"{bootstrap} has no topic {', '.join(topics)}; `sluice topics create` makes what is needed"


@asynccontextmanager
async def reaching(what: str, bootstrap: str, seconds: float) -> AsyncIterator[None]:
    """Turn a failure to reach the broker, or to be done in `seconds`, into one error.

    Raises:
        UnavailableError: names what was to be reached, and where.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise UnavailableError(f"{what}: {bootstrap} did not answer within {seconds:g} s") from None
    except (KafkaError, OSError) as error:
        raise UnavailableError(f"{what}: {bootstrap} cannot be reached: {error!r}") from error
