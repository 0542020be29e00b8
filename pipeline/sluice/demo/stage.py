"""Everything that the demo runs on: topics of its own on a broker, and the worker processes."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import ModerationClient, partition_for
from sluice.contract.decision import Decision, Release
from sluice.contract.topics import Topics
from sluice.errors import UnavailableError
from sluice.local import Broker, ExternalBroker, MockBroker, Supervisor, create_topics, delete_topics, worker_slots
from sluice.local.children import tail
from sluice.local.ports import free_ports
from sluice.policy import Policy
from sluice.worker.table import changelog_topic

__all__ = ["Stage", "WorkerReport"]

log = logging.getLogger(__name__)

_PATIENT = """\
version: 1
profiles:
  default: {extends: default, unit_ms: 8000, deadline_ms: 30000}
  minor: {extends: minor, unit_ms: 8000, deadline_ms: 30000}
"""
"""The mock broker answers about once a second. That is as if every sentence took so much longer to be written, and with
the shipped bounds sentences would be shown in parts."""

PARTITIONS = 4
WORKERS = 2
PRODUCERS = 3
"""On partitions of their own. Two workers share four partitions evenly, so with three in use both have work."""

_READY_SECONDS = 90.0
"""Loading the model and joining the group take some seconds; this is for a machine with much else to do."""
_PROBE_SECONDS = 0.2
_SLOW_SECONDS = 3.0
"""An answer that takes longer tells that the group is not at rest: a worker joins, or one is missed."""
_CALM_SECONDS = 1.0
_MOCK_PATIENCE_SECONDS = 10.0
"""For a worker that never gets work; longer than the session of one that was lost."""
_STOP_SECONDS = 8.0


class WorkerReport(msgspec.Struct, frozen=True):
    """One worker process, at the end."""

    slot: str
    deltas: int
    """Deltas it has read, the probes included."""
    restarts: int


class Stage:
    """Topics with a prefix of their own and a consumer group of its own: an installation on the broker is not touched.

    The broker is started and stopped by whoever made it.
    """

    def __init__(self, broker: Broker, logs: Path, detectors: str, worker_options: Mapping[str, object]) -> None:
        """`logs` is a folder for this run alone; `worker_options` are further options of `sluice worker`."""
        self.detectors = detectors
        self.name = f"sluice-demo-{uuid4().hex[:8]}"
        self.topics = Topics.prefixed(f"{self.name}.")
        self.logs = logs
        self._broker = broker
        self._patience = _MOCK_PATIENCE_SECONDS if isinstance(broker, MockBroker) else _READY_SECONDS
        self._changelog = changelog_topic(self.name)
        self._metrics_port = _free_run(WORKERS)
        self.policy = Policy.shipped()
        options = dict(worker_options)
        if isinstance(broker, MockBroker):
            logs.mkdir(parents=True, exist_ok=True)
            patient = logs / "policy.yaml"
            patient.write_text(_PATIENT, encoding="utf-8")
            options["policy"] = patient
            self.policy = Policy.load(patient)
        self.supervisor = Supervisor(
            worker_slots(
                WORKERS,
                logs,
                self._metrics_port,
                bootstrap=broker.bootstrap,
                app_id=self.name,
                topics_prefix=f"{self.name}.",
                partitions=PARTITIONS,
                mock_broker=isinstance(broker, MockBroker),
                detectors=detectors,
                **options,
            ),
            stop_seconds=_STOP_SECONDS,
        )

    def producer_ids(self) -> list[str]:
        """Ids of producers that are on different partitions."""
        found: dict[int, str] = {}
        number = 0
        while len(found) < PRODUCERS:
            number += 1
            producer = f"llm-{number}"
            found.setdefault(partition_for(producer, PARTITIONS), producer)
        return list(found.values())

    async def open(self) -> None:
        """Create the topics and start the workers; they are not ready yet.

        Raises:
            UnavailableError: the broker does not do it.
        """
        await create_topics(self._broker, self.topics, PARTITIONS, changelog=self._changelog)
        self.supervisor.start()

    async def ready(self, clients: Sequence[ModerationClient]) -> int:
        """Wait until every producer is served at once and each worker has work: small streams are sent to see it.

        Returns how many workers have work. That is all of them, but for the mock broker: it loses a member of a group
        whose answer comes later than the leader's, and then the others do its work.

        Raises:
            UnavailableError: a worker cannot start, shown by its last log lines, or it takes too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        released: set[str] = set()
        for client in clients:
            client.feed.tap = lambda decision, _: released.update(_streams(decision))
        number = 0
        calm_since = time.monotonic()
        while time.monotonic() < deadline:
            number += 1
            began = time.monotonic()
            sent = {await _probe(client, number) for client in clients}
            while not sent <= released and time.monotonic() < deadline:
                self.supervisor.check()
                await asyncio.sleep(_PROBE_SECONDS)
            now = time.monotonic()
            if now - began > _SLOW_SECONDS:
                calm_since = now
            working = sum(deltas > 0 for deltas in await asyncio.to_thread(self._deltas))
            patience = _CALM_SECONDS if working == WORKERS else self._patience
            if now - calm_since > patience:
                return working
        raise UnavailableError(f"the workers were not ready after {_READY_SECONDS:.0f} s:\n{self.tails()}")

    def reports(self) -> list[WorkerReport]:
        """What each worker has done. Blocks for up to a second or so."""
        restarts = self.supervisor.restarts()
        deltas = self._deltas()
        return [WorkerReport(slot, deltas[n], restarts[slot]) for n, slot in enumerate(sorted(restarts))]

    def tails(self) -> str:
        """The last log lines of every worker."""
        return "\n".join(f"{path.name}:\n{tail(path, 8)}" for path in sorted(self.logs.glob("worker-*.log")))

    def close(self) -> None:
        """Stop the workers, and delete the topics where the broker lives on. Blocks for some seconds at most."""
        self.supervisor.stop()
        if isinstance(self._broker, ExternalBroker):
            names = [*msgspec.structs.astuple(self.topics), self._changelog]
            try:
                asyncio.run(delete_topics(self._broker.bootstrap, names))
            except UnavailableError as error:
                log.warning("the topics %s.* are still there: %s", self.name, error)

    def _deltas(self) -> list[int]:
        """Deltas that each worker has read; 0 for one that does not answer."""
        return [_deltas_read(self._metrics_port + slot) for slot in range(WORKERS)]


async def _probe(client: ModerationClient, number: int) -> str:
    stream = client.stream(f"probe-{number}-{client.publisher.producer_id}")
    await stream.send("好。", final=True)
    return stream.id


def _streams(decision: Decision) -> list[str]:
    return [mark.stream for mark in decision.marks] if isinstance(decision, Release) else []


def _deltas_read(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1.0) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "sluice_deltas_total" and sample.labels.get("outcome") == "read":
                return int(sample.value)
    return 0


def _free_run(count: int) -> int:
    """The first of so many free ports that follow one another."""
    for first in free_ports(200):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise UnavailableError(f"no {count} free ports that follow one another")
