"""A whole installation for one test: topics of its own on a real broker, and supervised workers."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from sluice.contract import Topics
from sluice.local import Broker, MockBroker, Supervisor, create_topics, worker_slots
from sluice.worker.table import changelog_topic

__all__ = ["Install", "Installation"]


class Installation:
    """Running workers on topics that no other test uses."""

    def __init__(self, broker: Broker, prefix: str, supervisor: Supervisor, logs: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.app_id = f"{prefix}app"
        self.topics = Topics.prefixed(prefix)
        self.supervisor = supervisor
        self.logs = logs

    def kill(self, slot: int) -> None:
        """SIGKILL to the worker in a slot; its supervisor starts another one."""
        os.kill(self.supervisor.pids()[f"worker-{slot}"], signal.SIGKILL)

    async def ready(self, slot: int = 0, lives: int = 1, seconds: float = 60.0) -> None:
        """Wait until the worker in a slot has come up for the `lives`-th time."""
        log = self.logs / f"worker-{slot}.log"
        deadline = time.monotonic() + seconds
        while log.read_text().count("is ready") < lives if log.exists() else True:
            self.supervisor.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"worker {slot} is not ready:\n{log.read_text()[-3000:] if log.exists() else ''}")
            await asyncio.sleep(0.05)


Install = Callable[..., Awaitable[Installation]]


@pytest.fixture
async def install(tmp_path: Path) -> AsyncIterator[Install]:
    """Starts installations: `await install(broker, workers=2, policy="…", lexicon="…", **worker options)`.

    Each has topics of its own, unless `prefix` says otherwise.
    """
    async with AsyncExitStack() as stack:

        async def start(
            broker: Broker,
            *,
            workers: int = 2,
            policy: str = "",
            lexicon: str = "",
            prefix: str | None = None,
            **options: object,
        ) -> Installation:
            own = f"t{uuid.uuid4().hex[:8]}." if prefix is None else prefix
            return await stack.enter_async_context(
                _installed(broker, tmp_path / (own or "plain"), own, workers, policy, lexicon, options)
            )

        yield start


@asynccontextmanager
async def _installed(
    broker: Broker, folder: Path, prefix: str, workers: int, policy: str, lexicon: str, options: dict[str, object]
) -> AsyncIterator[Installation]:
    folder.mkdir()
    given: dict[str, object] = dict(options)
    if policy:
        (folder / "policy.yaml").write_text(policy)
        given["policy"] = folder / "policy.yaml"
    if lexicon:
        (folder / "lexicon").mkdir()
        (folder / "lexicon" / "test.tsv").write_text(lexicon)
        given["lexicon"] = folder / "lexicon"
    slots = worker_slots(
        workers,
        folder,
        bootstrap=broker.bootstrap,
        app_id=f"{prefix}app",
        topics_prefix=prefix,
        mock_broker=isinstance(broker, MockBroker),
        **given,
    )
    await create_topics(broker, Topics.prefixed(prefix), changelog=changelog_topic(f"{prefix}app"))
    supervisor = Supervisor(slots)
    installation = Installation(broker, prefix, supervisor, folder)
    await asyncio.to_thread(supervisor.start)
    try:
        for slot in range(workers):
            await installation.ready(slot)
        yield installation
    finally:
        await asyncio.to_thread(supervisor.stop)
