"""Activating a lexicon on running workers, and seeing what they made of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from sluice.client.connection import START_SECONDS, TOPICS, Connection, no_topic, reaching
from sluice.contract.codec import VERSION, encode
from sluice.contract.controls import (
    ACTIVATION_KEY,
    ControlsView,
    LexiconActivation,
    WorkerStatus,
    chunk_key,
    pieces,
    read_chunk_key,
    reference,
)
from sluice.contract.limits import LEXICON_CHUNK_BYTES, MAX_LEXICON_BYTES
from sluice.contract.topics import Topics
from sluice.errors import LimitError, UnavailableError
from sluice.lexicon.bundle import encode_bundle, version_of
from sluice.lexicon.files import Content

__all__ = ["ControlsReader", "activate_lexicon", "lexicon_status", "present", "watch_controls"]

_FETCH_WAIT_MS = 200
_REQUEST_MS = 10_000
_PUBLISH_SECONDS = 120.0  # 64 MB over a slow line
_PRESENT_SECONDS = 60.0
"""A worker that has not written its status for so long is not waited for; it writes one every 20 s."""
_UPLOAD_SECONDS = 600.0
"""Pieces younger than this may belong to an activation that another process is just making."""


class ControlsReader:
    """Reads the controls topic from its beginning, and on. Belongs to one event loop; one caller polls."""

    def __init__(
        self, bootstrap: str, topic: str, *, keep_bytes: bool = True, connection: Connection | None = None
    ) -> None:
        """Without `keep_bytes` the lexicons themselves are not kept."""
        self.view = ControlsView(keep_bytes=keep_bytes)
        """What has been read so far."""
        self.caught_up = False
        """Whether all has been read that was there at the start."""
        self.written_at: dict[str, float] = {}
        """By SHA-256 of a bundle: when the newest of its pieces was written."""
        self._place = TopicPartition(topic, 0)
        self._end = 0
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=8 * LEXICON_CHUNK_BYTES,
            request_timeout_ms=_REQUEST_MS,
            **(connection or {}),
        )

    async def start(self) -> bool:
        """Connect and find the beginning. False when there is no such topic; it is not made by asking.

        Raises:
            KafkaError: the broker cannot be reached, or refuses.
        """
        consumer, place = self._consumer, self._place
        await consumer.start()
        if place.topic not in await consumer.topics():
            return False
        consumer.assign([place])
        self._end = (await consumer.end_offsets([place]))[place]
        await consumer.seek_to_beginning(place)
        return True

    async def poll(self, timeout_s: float) -> bool:
        """Take in what is here, or what comes within `timeout_s`. Returns whether anything was.

        Raises:
            KafkaError: the broker refuses.
        """
        found = await self._consumer.getmany(self._place, timeout_ms=int(timeout_s * 1000))
        for record in found.get(self._place, ()):
            key = record.key or b""
            self.view.apply(key, record.value)
            chunk = read_chunk_key(key)
            if chunk is not None:
                self.written_at[chunk[0]] = record.timestamp / 1000
        if not self.caught_up:
            # Not the last record's offset: the end of a compacted topic may hold no record.
            self.caught_up = await self._consumer.position(self._place) >= self._end
        return bool(found)

    async def close(self) -> None:
        """Let go of the connection. Harmless when repeated."""
        await self._consumer.stop()


async def watch_controls(
    bootstrap: str, *, topics: Topics = TOPICS, connection: Connection | None = None, timeout_s: float = START_SECONDS
) -> AsyncIterator[ControlsView]:
    """What the topic says, first as it is now and then after every change; always the same object.

    Raises:
        UnavailableError: the broker cannot be reached within `timeout_s`, or has no such topic; later, it is lost.
    """
    reader = ControlsReader(bootstrap, topics.controls, keep_bytes=False, connection=connection)
    try:
        await _catch_up(reader, bootstrap, topics, timeout_s)
        yield reader.view
        while True:
            async with reaching(f"reading {topics.controls}", bootstrap, timeout_s):
                changed = await reader.poll(min(0.5, timeout_s / 2))
            if changed:
                yield reader.view
    finally:
        await reader.close()


async def lexicon_status(
    bootstrap: str, *, topics: Topics = TOPICS, connection: Connection | None = None, timeout_s: float = START_SECONDS
) -> ControlsView:
    """The active lexicon, and what each worker last said.

    Raises:
        UnavailableError: the broker cannot be reached, or has no such topic.
    """
    reader = ControlsReader(bootstrap, topics.controls, keep_bytes=False, connection=connection)
    try:
        await _catch_up(reader, bootstrap, topics, timeout_s)
    finally:
        await reader.close()
    return reader.view


def present(view: ControlsView, now: float) -> list[WorkerStatus]:
    """The workers that run, as far as their reports say: those of the last minute, by slot. `now`: since the epoch."""
    recent = (s for s in view.statuses.values() if s.state != "stopped" and s.at >= now - _PRESENT_SECONDS)
    return sorted(recent, key=lambda status: status.slot)


async def activate_lexicon(
    bootstrap: str,
    content: Content,
    *,
    topics: Topics = TOPICS,
    by: str = "",
    connection: Connection | None = None,
    timeout_s: float = _PUBLISH_SECONDS,
) -> LexiconActivation:
    """Make a lexicon the one that all workers use; an older one again is a rollback.

    Returns when the broker has it. Workers take it up by themselves, or refuse it: `watch_controls` shows which.
    Bundles that no worker uses any more are deleted from the topic.

    Raises:
        LimitError: it is larger than a bundle may be, or `by` is longer than 200 characters.
        UnavailableError: the broker cannot be reached or has no such topic, or did not take all of it; the old lexicon
            is then still the active one.
    """
    bundle, version = await asyncio.to_thread(lambda: (encode_bundle(content), version_of(content)))
    try:
        ref = reference(bundle, version)
    except msgspec.ValidationError:
        raise LimitError(f"the bundle has {len(bundle)} bytes, the limit is {MAX_LEXICON_BYTES}") from None
    if len(by) > 200:
        raise LimitError(f"`by` has {len(by)} characters, the limit is 200")
    reader = ControlsReader(bootstrap, topics.controls, keep_bytes=False, connection=connection)
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        acks="all",
        max_batch_size=2 * LEXICON_CHUNK_BYTES,
        max_request_size=2 * LEXICON_CHUNK_BYTES,
        request_timeout_ms=_REQUEST_MS,
        **(connection or {}),
    )
    try:
        await _catch_up(reader, bootstrap, topics, timeout_s)
        async with reaching(f"activating lexicon {version}", bootstrap, timeout_s):
            await producer.start()
            before = reader.view.wanted
            replaced = before.bundle if isinstance(before, LexiconActivation) else None
            activation = LexiconActivation(VERSION, uuid.uuid4().hex, ref, time.time(), by, replaced)
            # One after the other: a piece is the size of a request, and the activation must be behind all of them.
            for key, piece in pieces(bundle, ref):
                await producer.send_and_wait(topics.controls, piece, key=key, partition=0)
            await producer.send_and_wait(topics.controls, encode(activation), key=ACTIVATION_KEY, partition=0)
            for key in _outdated(reader, ref.sha256, time.time()):
                await producer.send_and_wait(topics.controls, None, key=key, partition=0)
    finally:
        await producer.stop()
        await reader.close()
    return activation


def _outdated(reader: ControlsReader, active: str, now: float) -> list[bytes]:
    """Keys of the pieces that nobody needs, as of before the activation. What a worker uses stays, and what was active
    until now: should a worker die, and refuse the new one when it comes back, it goes on with that."""
    view, before = reader.view, reader.view.wanted
    needed = {active, *(s.bundle.sha256 for s in view.statuses.values() if s.bundle is not None)}
    replaced = ""
    if isinstance(before, LexiconActivation):
        needed.add(before.bundle.sha256)
        replaced = before.replaces.sha256 if before.replaces else ""
    return [
        chunk_key(sha256, number)
        for sha256, numbers in view.bundles().items()
        if sha256 not in needed and (sha256 == replaced or reader.written_at.get(sha256, 0.0) < now - _UPLOAD_SECONDS)
        for number in numbers
    ]


async def _catch_up(reader: ControlsReader, bootstrap: str, topics: Topics, timeout_s: float) -> None:
    async with reaching(f"reading {topics.controls}", bootstrap, timeout_s):
        if not await reader.start():
            raise UnavailableError(no_topic(bootstrap, topics.controls))
        while not reader.caught_up:
            await reader.poll(0.2)
