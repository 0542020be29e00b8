"""Another lexicon is activated while workers run: no restart, nothing leaks, and every decision says what judged it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from click.testing import CliRunner, Result

from e2e.world import LEXICON, POLICY, observe, publish, scripts
from sluice.cli.controls import activate, active
from sluice.client.controls import activate_lexicon, lexicon_status
from sluice.contract import Delta, Frame, Order, Release, encode, read_decision
from sluice.contract.controls import LexiconActivation, WorkerStatus, pieces, reference
from sluice.lexicon.bundle import encode_bundle, read_lexicon, version_of
from sluice.lexicon.files import Content
from sluice.lexicon.settings import LexiconSettings
from sluice.lexicon.term import Term
from sluice.local import KafkaBroker
from support.installation import Install, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

NEW_TERM = "紫色河马丸"
SECONDS = 60.0


class Live:
    """Streams that the test writes by hand, and what is decided about them."""

    def __init__(self, place: Installation, producer: Any, consumer: Any) -> None:
        self._place, self._producer, self._consumer = place, producer, consumer
        self._next: dict[str, tuple[int, int]] = {}
        self.releases: list[Release] = []
        self.orders: list[Order] = []

    async def say(self, stream: str, text: str, *, final: bool = False) -> int:
        """Send the next piece of a stream; returns the offset at which it ends."""
        seq, start = self._next.get(stream, (0, 0))
        name = f"producer-of-{stream}"
        frame = Frame(1, name, [Delta(stream, seq, start, text, final=final)], time.time())
        await self._producer.send_and_wait(self._place.topics.outputs, encode(frame), key=name.encode())
        self._next[stream] = seq + 1, start + len(text)
        return start + len(text)

    def mark(self, stream: str) -> int:
        return max((m.offset for r in self.releases for m in r.marks if m.stream == stream), default=0)

    def stop_of(self, stream: str) -> Order | None:
        return next((o for o in self.orders if o.stream == stream), None)

    async def until(self, condition: Callable[[], object]) -> None:
        """Read decisions until `condition` holds."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                for records in (await self._consumer.getmany(timeout_ms=100)).values():
                    for record in records:
                        decision = read_decision(record.value)
                        if isinstance(decision, Release):
                            self.releases.append(decision)
                        elif isinstance(decision, Order):
                            self.orders.append(decision)

    async def released(self, stream: str, offset: int) -> None:
        await self.until(lambda: self.mark(stream) >= offset or self.stop_of(stream))
        assert self.stop_of(stream) is None and self.mark(stream) == offset

    async def stopped(self, stream: str, version: str, start: int) -> Order:
        """Wait until the stream is stopped, by what begins at `start`, under this version."""
        await self.until(lambda: self.stop_of(stream))
        order = self.stop_of(stream)
        assert order is not None and order.finding is not None
        assert (order.reason, order.versions.lexicon, order.finding.start) == ("finding", version, start)
        return order


@asynccontextmanager
async def live(place: Installation) -> AsyncIterator[Live]:
    consumer = AIOKafkaConsumer(
        place.topics.decisions, bootstrap_servers=place.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    async with AIOKafkaProducer(bootstrap_servers=place.bootstrap) as producer, consumer:
        yield Live(place, producer, consumer)


async def statuses(place: Installation, condition: Callable[[WorkerStatus], object]) -> dict[str, WorkerStatus]:
    """What the workers say, once `condition` holds for both."""
    async with asyncio.timeout(SECONDS):
        while True:
            view = await lexicon_status(place.bootstrap, topics=place.topics)
            if len(view.statuses) == 2 and all(condition(s) for s in view.statuses.values()):
                return view.statuses
            await asyncio.sleep(0.1)


async def send_records(place: Installation, records: Iterable[tuple[bytes, bytes]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=place.bootstrap, max_request_size=2 << 20) as producer:
        for key, value in records:
            await producer.send_and_wait(place.topics.controls, value, key=key, partition=0)


def where(place: Installation) -> list[str]:
    prefix = place.topics.outputs.removesuffix("moderation.outputs")
    return ["--bootstrap", place.bootstrap, "--topics-prefix", prefix]


def written(folder: Path, lexicon: str) -> Path:
    folder.mkdir()
    (folder / "test.tsv").write_text(lexicon)
    return folder


async def test_a_new_term_reaches_live_and_new_streams_and_a_broken_lexicon_does_not(
    kafka: KafkaBroker, install: Install, tmp_path: Path
) -> None:
    old = read_lexicon(written(tmp_path / "old", LEXICON))
    new = read_lexicon(written(tmp_path / "new", f"{LEXICON}{NEW_TERM}\tA.1.h\t3\n"))
    first, second = version_of(old), version_of(new)
    place = await install(kafka, policy=POLICY, lexicon=LEXICON)
    pids = place.supervisor.pids()
    world = scripts(24, 6, parts=100, seed=11)
    watching = asyncio.create_task(observe(place.bootstrap, world, timeout=120, topics=place.topics))
    traffic = asyncio.create_task(publish(place.bootstrap, world, steps_per_second=5, topics=place.topics))

    async with live(place) as streams:
        # Live before the swap: one has said half of the term, one nothing of it, one will be left alone.
        half = await streams.say("cut", f"前面的话，{NEW_TERM[:2]}")
        await streams.released("cut", half)
        none = await streams.say("whole", "前面的话。")
        await streams.released("whole", none)
        end = await streams.say("old", f"这里{NEW_TERM}还不是词。")
        await streams.released("old", end)
        assert {r.versions.lexicon for r in streams.releases} == {first}

        activation = await activate_lexicon(place.bootstrap, new, topics=place.topics, by="test")
        found = await statuses(place, lambda s: s.activation == activation.id)
        assert {(s.state, s.lexicon) for s in found.values()} == {("active", second)}

        await streams.say("cut", f"{NEW_TERM[2:]}后面的话")
        order = await streams.stopped("cut", second, half - 2)
        assert order.finding is not None and order.finding.end == half - 2 + len(NEW_TERM)
        assert order.shown == 2, "what was shown before the term was known is told"
        await streams.say("whole", f"{NEW_TERM}，后面的话")
        assert (await streams.stopped("whole", second, none)).shown == 0
        assert streams.mark("whole") == none
        await streams.say("new", f"新的{NEW_TERM}")
        await streams.stopped("new", second, 2)
        # What was released before the term was known is not found again; the stream goes on.
        await streams.released("old", await streams.say("old", "没事。", final=True))

        # Published by hand, and broken: a bundle that is not what its activation says.
        bundle = encode_bundle(old)
        ref = reference(bundle, first)
        bad = LexiconActivation(1, "by-hand", ref, time.time())
        changed = [(key, value[:-1] + b"!") for key, value in pieces(bundle, ref)]
        await send_records(place, [*changed, (b"lexicon", encode(bad))])
        found = await statuses(place, lambda s: s.activation == "by-hand")
        assert {(s.state, s.lexicon) for s in found.values()} == {("refused", second)}
        assert all(s.reason.startswith("sha256: ") for s in found.values())
        await streams.say("still", f"还是{NEW_TERM}")
        await streams.stopped("still", second, 2)

        # A worker that dies now finds only the broken one activated, and goes on with what it had.
        assert place.supervisor.pids() == pids and set(place.supervisor.restarts().values()) == {0}
        place.kill(0)
        await place.ready(0, lives=2)
        assert f"with lexicon {second}" in (place.logs / "worker-0.log").read_text()
        for number in range(4):  # over all partitions, so that the restarted worker is among those who judge
            await streams.say(f"restarted-{number}", NEW_TERM)
            await streams.stopped(f"restarted-{number}", second, 0)

        # Back to the older one.
        activation = await activate_lexicon(place.bootstrap, old, topics=place.topics)
        found = await statuses(place, lambda s: s.activation == activation.id)
        assert {(s.state, s.lexicon) for s in found.values()} == {("active", first)}
        await streams.released("back", await streams.say("back", f"又{NEW_TERM}。"))
        await streams.say("back", "大赌场网址")
        await streams.stopped("back", first, len(NEW_TERM) + 2)

    await traffic
    account = await watching
    assert account.problems(world) == []
    for log in place.logs.glob("*.log"):
        text = log.read_text()
        assert NEW_TERM not in text and "Traceback" not in text


async def test_the_command_activates_waits_and_says_who_refused(
    kafka: KafkaBroker, install: Install, tmp_path: Path
) -> None:
    place = await install(kafka, policy=POLICY, lexicon=LEXICON)
    await statuses(place, lambda s: s.state == "active")

    async def run(command: Any, *arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, command, [*where(place), *arguments])

    shown = await run(active)
    assert "no lexicon is activated" in shown.output and shown.output.count(": active ") == 2
    folder = written(tmp_path / "new", f"{LEXICON}{NEW_TERM}\tA.1.h\t3\n")
    done = await run(activate, str(folder), "--by", "the editor")
    assert done.exit_code == 0 and done.output.count(": active in ") == 2, done.output
    shown = await run(active, "--json")
    assert shown.output.count(version_of(read_lexicon(folder))) == 5  # the active one; each worker's version and bundle
    assert '"by": "the editor"' in shown.output
    (tmp_path / "expired").mkdir()
    (tmp_path / "expired" / "a.tsv").write_text("term\trisk\tseverity\texpires\n旧词旧词\tA.1.h\t3\t2020-01-01\n")
    refused = await run(activate, str(tmp_path / "expired"))
    assert refused.exit_code == 1 and "valid today" in str(refused.exception)
    # One of the workers is stopped in its tracks: it does not answer in time, and takes it up when it can.
    os.kill(place.supervisor.pids()["worker-1"], signal.SIGSTOP)
    try:
        late = await run(activate, str(written(tmp_path / "old", LEXICON)), "--wait", "3")
    finally:
        os.kill(place.supervisor.pids()["worker-1"], signal.SIGCONT)
    assert late.exit_code == 3, late.output
    assert late.output.count(": active in ") == 1 and late.output.count("no answer within 3 s") == 1
    await statuses(place, lambda s: s.lexicon == version_of(read_lexicon(tmp_path / "old")))


@pytest.mark.timeout(600)
async def test_a_hundred_thousand_terms_while_streams_run(
    kafka: KafkaBroker, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(3)
    letters = [chr(code) for code in range(0x5000, 0x5000 + 3000)]
    terms = {"".join(rng.choices(letters, k=rng.randint(3, 6))) for _ in range(100_000)}
    base = [Term("大赌场网址", "A.1.h", 3, "t"), Term("buy fake pills", "A.1.h", 3, "t")]
    # As a plain list is read by default.
    more = (Term(t, "A.1.h", 3, "t", channels=("folded", "noise"), note="一条说明") for t in sorted(terms))
    large = Content(LexiconSettings(), (*base, *more))
    file = tmp_path / "large.lexicon"
    file.write_bytes(encode_bundle(large))
    place = await install(kafka, policy=POLICY, lexicon=LEXICON)
    await statuses(place, lambda s: s.state == "active")
    pids = place.supervisor.pids()
    world = scripts(60, 6, parts=400, seed=12)
    watching = asyncio.create_task(observe(place.bootstrap, world, timeout=300, topics=place.topics))
    traffic = asyncio.create_task(publish(place.bootstrap, world, steps_per_second=10, topics=place.topics))
    await asyncio.sleep(5)
    # From a process of its own: what is measured here must not wait for it.
    command = ["-m", "sluice", "lexicon", "activate", str(file), "--wait", "240", *where(place)]
    child = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    assert child.returncode == 0 and output.count(b": active in ") == 2, output.decode()
    view = await lexicon_status(place.bootstrap, topics=place.topics)
    ended = max(s.at for s in view.statuses.values())
    async with live(place) as streams:
        term = next(iter(terms))
        await streams.say("new", f"新的{term}")
        await streams.stopped("new", version_of(large), 2)
        await traffic
        account = await watching
        await streams.released("end", await streams.say("end", "完了。", final=True))
    assert account.problems(world) == [] and place.supervisor.pids() == pids
    assert isinstance(view.wanted, LexiconActivation)
    began = view.wanted.activated_at
    took: dict[str, list[float]] = {"before": [], "meanwhile": [], "after": []}
    for release in streams.releases:
        if not release.sent_at:
            continue  # no frame led to it, but time
        when = "before" if release.decided_at < began else "meanwhile" if release.sent_at <= ended else "after"
        took[when].append(1000 * (release.decided_at - release.sent_at))
    with capsys.disabled():
        print(f"\n{output.decode()}publish to decision, in milliseconds:")
        for when, values in took.items():
            values.sort()
            at = ", ".join(f"{values[int(len(values) * q)]:.0f}" for q in (0.5, 0.99))
            print(f"  {when}: p50 and p99 {at}, max {values[-1]:.0f} ({len(values)} frames)")
