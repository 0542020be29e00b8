"""Deltas a second through one worker process on a real Kafka, and the latency from publish to decision.

Beside it, in the same run and over the same frames: a bare aiokafka loop that reads a frame and writes a record, doing
nothing with either. Writes `build/bench/pipeline.json` and `.png`.

    python benchmarks/pipeline.py [--detectors lexicon] [--seconds 10] [--frames 4000]

What it measures, each for the bare loop and for the worker:
  - throughput: a backlog is published first; the time from the first to the last decision over it, median of rounds;
  - latency: frames at a constant rate of half that throughput; from each frame's send to its release being read back.
Broker, load and worker share the machine's cores, so compare the two columns and not the absolute figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sluice.contract import Delta, Frame, FrameRef, Release, Topics, Versions, encode, read_decision
from sluice.local import KafkaBroker, Slot, Supervisor, create_topics, worker_slots
from sluice.worker.table import changelog_topic

ROOT = Path(__file__).resolve().parents[1]
DELTAS = 32
STREAMS = 256
PRODUCERS = 8
STREAM_DELTAS = 200
"""A stream of so many deltas is an answer of about 1,000 characters."""

_CHARS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
    "然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长"
)


class Source:
    """Endless frames of neutral text: every stream in turn, a new one when one has ended."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._streams = [[f"b{seed}-{n}-0", 0, 0] for n in range(STREAMS)]
        self._next = 0

    def frame(self, producer: str) -> bytes:
        deltas = []
        for _ in range(DELTAS):
            state = self._streams[self._next]
            self._next = (self._next + 1) % STREAMS
            stream, seq, start = state
            text = "".join(self._random.choices(_CHARS, k=self._random.randint(3, 7)))
            if self._random.random() < 0.08:
                text = text[:-1] + "。"
            final = seq == STREAM_DELTAS - 1
            deltas.append(Delta(stream, seq, start, text, final=final, profile="default"))
            if final:
                head, _, number = stream.rpartition("-")
                state[:] = [f"{head}-{int(number) + 1}", 0, 0]
            else:
                state[1], state[2] = seq + 1, start + len(text)
        return encode(Frame(1, producer, deltas, time.time()))


async def bare_loop(bootstrap: str, topics: Topics) -> None:
    """The plain alternative: read frames, write one small record for each; nothing is decoded but `sent_at`."""
    consumer = AIOKafkaConsumer(
        topics.outputs,
        bootstrap_servers=bootstrap,
        group_id=f"bare-{topics.outputs}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=4096,
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    await consumer.start()
    await producer.start()
    head = msgspec.json.Decoder(type=_Head)
    print("worker is ready", flush=True)
    while True:
        batches = await consumer.getmany(timeout_ms=1000)
        waiting = []
        for place, records in batches.items():
            for record in records:
                sent = head.decode(record.value)
                release = Release(
                    1,
                    sent.producer,
                    FrameRef(place.partition, record.offset),
                    [],
                    Versions(),
                    sent.sent_at,
                    time.time(),
                )
                waiting.append(
                    await producer.send(topics.decisions, encode(release), key=record.key, partition=place.partition)
                )
        if waiting:
            await asyncio.gather(*waiting)
            await consumer.commit()


class _Head(msgspec.Struct):
    producer: str
    sent_at: float


@asynccontextmanager
async def running(bootstrap: str, kind: str, options: argparse.Namespace) -> AsyncIterator[Topics]:
    """One process of the given kind on topics of its own."""
    prefix = f"bench{uuid.uuid4().hex[:6]}."
    topics = Topics.prefixed(prefix)
    await create_topics(bootstrap, topics, partitions=4, changelog=changelog_topic(f"{prefix}app"))
    logs = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    if kind == "bare":
        command = [sys.executable, __file__, "--bare", bootstrap, "--prefix", prefix]
        slots = [Slot("worker-0", command, logs / "worker-0.log")]
    else:
        slots = worker_slots(
            1,
            logs,
            bootstrap=bootstrap,
            app_id=f"{prefix}app",
            topics_prefix=prefix,
            detectors="lexicon" if kind == "lexicon" else "lexicon,classifier",
        )
    supervisor = Supervisor(slots)
    await asyncio.to_thread(supervisor.start)
    try:
        log = logs / "worker-0.log"
        async with asyncio.timeout(60):
            while not (log.exists() and "is ready" in log.read_text()):
                supervisor.check()
                await asyncio.sleep(0.05)
        yield topics
    finally:
        await asyncio.to_thread(supervisor.stop)


async def throughput(bootstrap: str, topics: Topics, frames: int) -> float:
    """Deltas a second over a backlog."""
    source = Source(random.randrange(1 << 30))
    values = [source.frame("load") for _ in range(frames)]
    reader = await _reader(bootstrap, topics)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=1 << 18)
    await producer.start()
    try:
        sending = asyncio.create_task(_send_all(producer, topics, values))
        seen, first, last = 0, 0.0, 0.0
        async with asyncio.timeout(300):
            while seen < frames:
                for records in (await reader.getmany(timeout_ms=500)).values():
                    last = time.perf_counter()
                    first = first or last
                    # The bytes are enough to tell a release, and decoding them here would slow the shared cores.
                    seen += sum(b'"kind":"release"' in r.value[:20] for r in records)
        await sending
    finally:
        await producer.stop()
        await reader.stop()
    return frames * DELTAS / (last - first)


async def _send_all(producer: AIOKafkaProducer, topics: Topics, values: list[bytes]) -> None:
    for number, value in enumerate(values):
        await producer.send(topics.outputs, value, partition=number % 4, key=b"load")
    await producer.flush()


async def latency(bootstrap: str, topics: Topics, deltas_per_second: float, seconds: float) -> dict[str, float]:
    """Milliseconds from a frame's `sent_at` to its release being read, at a constant rate of arrival."""
    reader = await _reader(bootstrap, topics)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    source = Source(random.randrange(1 << 30))
    every = DELTAS / deltas_per_second
    total = int(seconds / every)
    times: list[float] = []

    async def send() -> None:
        began = time.perf_counter()
        for number in range(total):
            wait = began + number * every - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            name = f"p{number % PRODUCERS}"
            await producer.send(topics.outputs, source.frame(name), partition=number % 4, key=name.encode())
        await producer.flush()

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(seconds * 4 + 60):
            while len(times) < total:
                for records in (await reader.getmany(timeout_ms=500)).values():
                    now = time.time()
                    for record in records:
                        decision = read_decision(record.value)
                        # A release that only time caused answers no frame and has no `sent_at`.
                        if isinstance(decision, Release) and decision.sent_at:
                            times.append((now - decision.sent_at) * 1000)
        await sending
    finally:
        sending.cancel()
        await producer.stop()
        await reader.stop()
    settled = sorted(times[len(times) // 5 :])
    return {
        "deltas_per_second": round(deltas_per_second),
        "p50_ms": round(settled[len(settled) // 2], 2),
        "p99_ms": round(settled[int(len(settled) * 0.99)], 2),
        "max_ms": round(settled[-1], 2),
        "frames": total,
    }


async def _reader(bootstrap: str, topics: Topics) -> AIOKafkaConsumer:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=20, max_poll_records=8192)
    await reader.start()
    from aiokafka import TopicPartition

    reader.assign([TopicPartition(topics.decisions, p) for p in range(4)])
    await reader.seek_to_end()
    return reader


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    kinds = ["bare", *options.kinds.split(",")]
    result: dict[str, Any] = {
        "what": "one process; frames of 32 deltas of 3 to 7 Chinese characters from 256 streams",
        "machine": {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load_before": os.getloadavg()[0],
        },
        "rounds": options.rounds,
        "kinds": {kind: {"throughput": [], "latency": []} for kind in kinds},
    }
    with KafkaBroker(ROOT / ".sluice") as broker:
        result["broker"] = broker.name
        for number in range(options.rounds):
            for kind in kinds:
                async with running(broker.bootstrap, kind, options) as topics:
                    await throughput(broker.bootstrap, topics, max(200, options.frames // 10))
                    rate = await throughput(broker.bootstrap, topics, options.frames)
                    found = await latency(broker.bootstrap, topics, rate / 2, options.seconds)
                result["kinds"][kind]["throughput"].append(round(rate))
                result["kinds"][kind]["latency"].append(found)
                print(
                    f"round {number + 1} {kind:>10}: {rate:9,.0f} deltas/s; at half of it "
                    f"p50 {found['p50_ms']:6.2f} ms, p99 {found['p99_ms']:6.2f} ms",
                    flush=True,
                )
    for values in result["kinds"].values():
        values["median_deltas_per_second"] = statistics.median(values["throughput"])
        for key in ("p50_ms", "p99_ms"):
            values[f"median_{key}"] = statistics.median(x[key] for x in values["latency"])
    return result


def plot(result: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = list(result["kinds"])
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5))
    left.bar(kinds, [result["kinds"][k]["median_deltas_per_second"] / 1000 for k in kinds], color="#4477aa")
    left.set_ylabel("thousand deltas a second, one process")
    place = range(len(kinds))
    right.bar([p - 0.2 for p in place], [result["kinds"][k]["median_p50_ms"] for k in kinds], 0.4, label="p50")
    right.bar([p + 0.2 for p in place], [result["kinds"][k]["median_p99_ms"] for k in kinds], 0.4, label="p99")
    right.set_xticks(list(place), kinds)
    right.set_ylabel("ms, publish to decision at half load")
    right.legend()
    figure.suptitle(f"{result['broker']}, frames of 32 deltas; median of {result['rounds']}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=6000, help="frames in the backlog")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the latency measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="lexicon,full", help="of lexicon, full")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    parser.add_argument("--prefix", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        asyncio.run(bare_loop(options.bare, Topics.prefixed(options.prefix)))
        return
    result = asyncio.run(measure(options))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "pipeline.json").write_text(json.dumps(result, indent=2) + "\n")
    plot(result, options.out / "pipeline.png")
    print(f"{options.out / 'pipeline.json'} and pipeline.png")


if __name__ == "__main__":
    main()
