"""A worker's follower of the controls topic: what it takes up, what it refuses, and what cannot hurt it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import date
from unittest.mock import Mock

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from sluice.client.controls import activate_lexicon, lexicon_status, present
from sluice.contract import Topics, encode
from sluice.contract.controls import (
    LexiconActivation,
    LexiconRef,
    RefusedError,
    WorkerStatus,
    pieces,
    reference,
    status_key,
)
from sluice.errors import LimitError, UnavailableError
from sluice.lexicon import Lexicon, Term
from sluice.lexicon.bundle import encode_bundle, version_of
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings
from sluice.local import Broker, KafkaBroker, MockBroker, create_topics, delete_topics
from sluice.metrics import Metrics
from sluice.worker import controls
from sluice.worker.controls import LexiconFollower, build_lexicon

SECONDS = 60.0


def content(*terms: str, expires: date | None = None) -> Content:
    return Content(LexiconSettings(), tuple(Term(t, "A.1.h", 3, "t", expires=expires) for t in terms))


OLD, NEW, NEWER = content("旧毒药"), content("旧毒药", "新毒药"), content("新毒药", "更新毒药")
START = Lexicon(content("起初词"))


class Worker:
    """A follower, and what it made its worker judge by."""

    def __init__(self, bootstrap: str, topics: Topics, slot: str = "w-0") -> None:
        self.used: list[Lexicon] = []
        self.error: Exception | None = None
        self.metrics = Metrics()
        self.follower = LexiconFollower(bootstrap, topics.controls, slot, START, use=self._use, metrics=self.metrics)
        self.task = asyncio.create_task(self.follower.run())

    async def _use(self, lexicon: Lexicon) -> None:
        if self.error is not None:
            raise self.error
        self.used.append(lexicon)

    @property
    def versions(self) -> list[str]:
        return [lexicon.version for lexicon in self.used]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.follower.stop()


@asynccontextmanager
async def worker(place: tuple[str, Topics], slot: str = "w-0") -> AsyncIterator[Worker]:
    running = Worker(*place, slot)
    try:
        yield running
    finally:
        await running.stop()


Place = tuple[str, Topics]


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "mock_kafka"])
async def place(request: pytest.FixtureRequest) -> Place:
    broker: Broker = request.getfixturevalue(request.param)
    topics = Topics.prefixed(f"f{uuid.uuid4().hex[:8]}.")
    await create_topics(broker, topics)
    return broker.bootstrap, topics


async def write(place: Place, records: Iterable[tuple[bytes, bytes | None]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=place[0], max_request_size=2 << 20) as producer:
        for key, value in records:
            await producer.send_and_wait(place[1].controls, value, key=key, partition=0)


async def status(place: Place, condition: Callable[[WorkerStatus], object], slot: str = "w-0") -> WorkerStatus:
    async with asyncio.timeout(SECONDS):
        while True:
            view = await lexicon_status(place[0], topics=place[1])
            found = view.statuses.get(slot)
            if found is not None and condition(found):
                return found
            await asyncio.sleep(0.05)


async def test_it_follows_from_one_activation_to_the_next_and_back(place: Place) -> None:
    bootstrap, topics = place
    async with worker(place) as running:
        assert await running.follower.ready(SECONDS)
        first = await status(place, lambda s: s.state == "active")
        assert (first.lexicon, first.bundle, first.activation, running.used) == (START.version, None, "", [])
        for lexicon in (OLD, NEW, OLD):
            activation = await activate_lexicon(bootstrap, lexicon, topics=topics, by="me")
            found = await status(place, lambda s, a=activation: s.activation == a.id)  # type: ignore[misc]
            assert (found.state, found.lexicon, found.bundle) == ("active", version_of(lexicon), activation.bundle)
    assert running.versions == [version_of(c) for c in (OLD, NEW, OLD)]
    assert (await status(place, lambda s: s.state == "stopped")).lexicon == version_of(OLD)
    view = await lexicon_status(bootstrap, topics=topics)
    assert isinstance(view.wanted, LexiconActivation) and view.wanted.by == "me"
    assert present(view, time.time()) == []


async def test_at_the_start_the_topic_goes_before_what_the_worker_was_given(place: Place) -> None:
    for lexicon in (OLD, NEW):
        await activate_lexicon(place[0], lexicon, topics=place[1])
    async with worker(place) as running:
        assert await running.follower.ready(SECONDS)
        assert running.versions == [version_of(NEW)], "in use before the first frame, and no older one on the way"


async def test_bundles_that_nobody_uses_are_deleted_from_the_topic(place: Place) -> None:
    bootstrap, topics = place

    async def there() -> set[str]:
        return set((await lexicon_status(bootstrap, topics=topics)).bundles())

    async with worker(place):
        shas = []
        for lexicon in (OLD, NEW, NEWER):
            activation = await activate_lexicon(bootstrap, lexicon, topics=topics)
            await status(place, lambda s, a=activation: s.activation == a.id)  # type: ignore[misc]
            shas.append(activation.bundle.sha256)
        # The one before stays: should a worker come back and refuse the newest, it goes on with that.
        assert await there() == set(shas[1:])
    async with worker(place, "w-1") as late:
        assert await late.follower.ready(SECONDS)
        assert late.versions == [version_of(NEWER)]


def activation_of(data: bytes, version: str) -> LexiconActivation:
    return LexiconActivation(1, uuid.uuid4().hex, reference(data, version), time.time())


def broken(kind: str) -> list[tuple[bytes, bytes | None]]:
    data, version = encode_bundle(NEW), version_of(NEW)
    if kind == "lexicon":
        data = b"no bundle at all"
    elif kind == "empty":
        nothing = content("新毒药", expires=date(2020, 1, 1))
        data, version = encode_bundle(nothing), version_of(nothing)
    elif kind == "version":
        version = "0" * 12
    activation = activation_of(data, version)
    parts: list[tuple[bytes, bytes | None]] = list(pieces(data, activation.bundle))
    record: bytes = encode(activation)
    if kind == "chunks":
        parts = []
    elif kind == "sha256":
        parts = [(key, bytes(len(value or b""))) for key, value in parts]
    elif kind == "size":
        parts = [(key, (value or b"")[:-1]) for key, value in parts]
    elif kind == "unreadable":
        record = b'{"kind":"lexicon"}'
    return [*parts, (b"lexicon", record)]


KINDS = ["lexicon", "empty", "version", "chunks", "sha256", "size", "unreadable"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_refused_changes_nothing(kind: str, mock_kafka: MockBroker) -> None:
    place = mock_kafka.bootstrap, Topics()
    await create_topics(mock_kafka, Topics())
    async with worker(place) as running:
        good = await activate_lexicon(place[0], OLD)
        await status(place, lambda s: s.activation == good.id)
        await write(place, broken(kind))
        found = await status(place, lambda s: s.state == "refused")
        assert found.reason.startswith(f"{kind}: ") and "毒" not in found.reason
        assert (found.lexicon, found.bundle) == (version_of(OLD), good.bundle)
        assert running.versions == [version_of(OLD)]
        sample = running.metrics.registry.get_sample_value
        assert sample("sluice_lexicon_refusals_total", {"reason": kind}) == 1
    # Started anew, it goes on with what it had: the topic still has that, although it is not what is activated.
    async with worker(place) as again:
        assert await again.follower.ready(SECONDS)
        assert again.versions == [version_of(OLD)]
        assert (await status(place, lambda s: s.state == "refused")).lexicon == version_of(OLD)
        await activate_lexicon(place[0], NEW)
        await status(place, lambda s: s.state == "active")
        assert again.versions == [version_of(OLD), version_of(NEW)]


async def test_refused_at_the_start_with_nothing_to_go_back_to(mock_kafka: MockBroker) -> None:
    place = mock_kafka.bootstrap, Topics()
    await create_topics(mock_kafka, Topics())
    await write(place, broken("sha256"))
    async with worker(place) as running:
        assert await running.follower.ready(SECONDS)
        found = await status(place, lambda s: s.state == "refused")
        assert (found.lexicon, running.used) == (START.version, [])


async def test_a_failure_of_the_exchange_itself_is_fatal(mock_kafka: MockBroker) -> None:
    place = mock_kafka.bootstrap, Topics()
    await create_topics(mock_kafka, Topics())
    async with worker(place) as running:
        assert await running.follower.ready(SECONDS)
        running.error = OSError("the table could not be written")
        await activate_lexicon(place[0], OLD)
        with pytest.raises(OSError, match="could not be written"):
            await asyncio.wait_for(running.task, SECONDS)


async def test_a_broker_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_RETRY_SECONDS", 0.1)
    async with worker(("127.0.0.1:1", Topics())) as running:
        assert not await running.follower.ready(1.0)
        assert not running.task.done() and running.used == []
    with pytest.raises(UnavailableError):
        await activate_lexicon("127.0.0.1:1", OLD, timeout_s=5)


@pytest.mark.kafka
async def test_a_topic_that_is_not_there_then_is_and_is_deleted(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_RETRY_SECONDS", 0.2), ("_REPORT_SECONDS", 0.5), ("_WRITE_SECONDS", 3.0)):
        monkeypatch.setattr(controls, name, seconds)
    topics = Topics.prefixed(f"f{uuid.uuid4().hex[:8]}.")
    place = kafka.bootstrap, topics
    async with worker(place) as running:
        assert await running.follower.ready(SECONDS), "there is nothing to wait for"
        with pytest.raises(UnavailableError, match="has no topic"):
            await activate_lexicon(kafka.bootstrap, OLD, topics=topics)
        for lexicon in (OLD, NEW):
            await create_topics(kafka, topics)
            activation = await activate_lexicon(kafka.bootstrap, lexicon, topics=topics)
            found = await status(place, lambda s, a=activation: s.activation == a.id)  # type: ignore[misc]
            assert found.lexicon == version_of(lexicon)
            await delete_topics(kafka.bootstrap, [topics.controls])
            await asyncio.sleep(2)
            assert not running.task.done()
    assert running.versions == [version_of(OLD), version_of(NEW)]


def test_no_exception_of_a_build_gets_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_bundle(NEW)
    ref = reference(data, version_of(NEW))
    chunks = [value for _, value in pieces(data, ref)]
    assert build_lexicon(chunks, ref, date(2026, 1, 1)).version == ref.version
    monkeypatch.setattr(controls, "Lexicon", Mock(side_effect=MemoryError))
    with pytest.raises(RefusedError, match=r"^failed: MemoryError$"):
        build_lexicon(chunks, ref, date(2026, 1, 1))


async def test_limits_of_an_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitError, match="201 characters"):
        await activate_lexicon("127.0.0.1:1", OLD, by="x" * 201)
    monkeypatch.setattr("sluice.client.controls.encode_bundle", lambda _: bytes((64 << 20) + 1))
    with pytest.raises(LimitError, match="67108865 bytes"):
        await activate_lexicon("127.0.0.1:1", OLD)


async def test_a_worker_that_is_silent_is_not_present(mock_kafka: MockBroker) -> None:
    place = mock_kafka.bootstrap, Topics()
    await create_topics(mock_kafka, Topics())
    ref = LexiconRef(version_of(OLD), "a" * 64, 1, 1)
    told = WorkerStatus(1, "a", "active", ref.version, 100.0, ref)
    others = [
        told,
        msgspec.structs.replace(told, slot="b", state="stopped"),
        msgspec.structs.replace(told, slot="c", at=30),
    ]
    await write(place, [(status_key(s.slot), encode(s)) for s in others])
    view = await lexicon_status(place[0])
    assert [s.slot for s in present(view, 120.0)] == ["a"]
    assert present(view, 161.0) == []
