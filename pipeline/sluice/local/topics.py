"""Creates the topics with the settings they need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from sluice.contract.topics import Topics
from sluice.errors import InputError, UnavailableError
from sluice.local.broker import Broker
from sluice.local.mock import MockBroker

__all__ = ["TopicSpec", "create_topics", "topic_specs"]

_HOUR_MS = 3_600_000
_CLEARED_SOON = {
    "segment.ms": str(_HOUR_MS),
    "delete.retention.ms": str(_HOUR_MS),
    "min.cleanable.dirty.ratio": "0.1",
}
_READY_SECONDS = 30.0  # until every partition has a leader; takes milliseconds on a broker at rest


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to create."""

    name: str
    partitions: int
    config: Mapping[str, str]


def topic_specs(
    topics: Topics,
    partitions: int = 4,
    *,
    changelog: str | None = None,
    extra: Sequence[tuple[str, Mapping[str, str]]] = (),
) -> list[TopicSpec]:
    """All topics of one installation. See `create_topics` for the arguments."""
    compacted = {"cleanup.policy": "compact"}
    specs = [
        # Generated text: short by default, it is the operator's to keep it longer.
        TopicSpec(topics.outputs, partitions, _kept(1)),
        TopicSpec(topics.verdicts, partitions, _kept(1)),
        # No text in these; a week of them is what reports are made from.
        TopicSpec(topics.decisions, partitions, _kept(7 * 24)),
        TopicSpec(topics.acks, partitions, _kept(7 * 24)),
        # What could not be read may hold text, and somebody must have time to look at it.
        TopicSpec(topics.quarantine, partitions, _kept(24)),
        # One partition: every worker reads all of it, in one order. And from its beginning, so what is outdated (a
        # lexicon of some megabytes, a status every 20 s) is cleared away within hours and not, as by default, a week.
        TopicSpec(topics.controls, 1, {**compacted, **_CLEARED_SOON}),
    ]
    if changelog is not None:
        specs.append(TopicSpec(changelog, partitions, compacted))
    return specs + [TopicSpec(name, partitions, config) for name, config in extra]


async def create_topics(
    broker: Broker | str,
    topics: Topics,
    partitions: int = 4,
    *,
    changelog: str | None = None,
    extra: Sequence[tuple[str, Mapping[str, str]]] = (),
    replication: int = 1,
) -> None:
    """Create what does not exist yet, and return when every partition can be written to.

    Args:
        broker: a started broker, or the bootstrap servers of a real one.
        topics: the names.
        partitions: of every topic but the controls, which always have one.
        changelog: the worker's table changelog, `<app id>-streams-changelog`; compacted.
        extra: further topics with their settings.
        replication: copies of each partition; a cluster of several brokers wants 3.

    Raises:
        InputError: a topic exists with another number of partitions, or the broker refuses one.
        UnavailableError: the broker cannot be reached or does not answer in time.
    """
    specs = topic_specs(topics, partitions, changelog=changelog, extra=extra)
    if isinstance(broker, MockBroker):
        for spec in specs:
            await asyncio.to_thread(broker.create_topic, spec.name, spec.partitions)  # waits for the broker
        return
    bootstrap = broker if isinstance(broker, str) else broker.bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await _create(admin, specs, replication)
        await _wait_until_ready(admin, specs)
    except KafkaError as error:
        raise UnavailableError(f"topics could not be created on {bootstrap}: {error!r}") from error
    finally:
        await admin.close()


def _kept(hours: int) -> dict[str, str]:
    # Only closed segments are deleted, and by default one stays open for a week: so it is closed earlier.
    segment_ms = min(hours * _HOUR_MS // 6, 24 * _HOUR_MS)
    return {"cleanup.policy": "delete", "retention.ms": str(hours * _HOUR_MS), "segment.ms": str(segment_ms)}


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], replication: int) -> None:
    existing = set(await admin.list_topics())
    new = [
        NewTopic(spec.name, spec.partitions, replication, topic_configs=dict(spec.config))
        for spec in specs
        if spec.name not in existing
    ]
    if not new:
        return
    answer = await admin.create_topics(new)
    for name, code, *message in answer.topic_errors:
        problem = for_code(code)
        # Another process may have created it a moment ago.
        if code == 0 or problem is TopicAlreadyExistsError:
            continue
        if problem.retriable:
            raise problem(name)
        raise InputError(f"topic {name}: the broker refuses it: {problem.__name__} {' '.join(filter(None, message))}")


async def _wait_until_ready(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    wanted = {spec.name: spec.partitions for spec in specs}
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        waiting = set(wanted)
        for topic in await admin.describe_topics(list(wanted)):
            name, found = topic["topic"], topic["partitions"]
            if topic["error_code"] != 0 or any(part["leader"] < 0 for part in found):
                continue
            if len(found) != wanted[name]:
                raise InputError(
                    f"topic {name} has {len(found)} partitions, {wanted[name]} are needed;"
                    " delete it, or use that number for all of them"
                )
            waiting.discard(name)
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise UnavailableError(f"no leader within {_READY_SECONDS:.0f} s for: {', '.join(sorted(waiting))}")
        await asyncio.sleep(0.05)
