"""Many scripted streams against real workers on a real broker, and the account of what happened to each."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from sluice.contract import Delta, Frame, Order, Release, Topics, encode, read_decision

__all__ = ["LEXICON", "POLICY", "Account", "Script", "observe", "publish", "scripts"]

LEXICON = "term\trisk\tseverity\n大赌场网址\tA.1.h\t3\nbuy fake pills\tA.1.h\t3\n弱信号词\tA.1.h\t1\n"
"""Kept apart from the shipped lexicon, so that a change of its terms cannot change what these tests test."""

POLICY = """
version: 1
profiles:
  default:
    extends: default
    detectors: [lexicon]
"""

_CLEAN = "今天的天气很好，我们一起去公园散步吧。The river runs quietly to the sea. 明天也许会下雨，记得带伞。"


class Script(msgspec.Struct):
    """One stream: its deltas, and where it goes wrong."""

    stream: str
    producer: str
    parts: list[str]
    violation: int | None
    """Offset of the first violating character; None for a clean stream."""

    @property
    def length(self) -> int:
        return sum(map(len, self.parts))


class Account(msgspec.Struct):
    """What was seen on the decisions topic."""

    marks: dict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    orders: dict[str, list[Order]] = msgspec.field(default_factory=lambda: defaultdict(list))
    unscanned: set[str] = msgspec.field(default_factory=set)
    arrivals: list[float] = msgspec.field(default_factory=list)

    def settled(self, script: Script) -> bool:
        """Whether this stream came to the end that its script says."""
        if script.violation is None:
            return self.marks[script.stream] == script.length
        return {o.order for o in self.orders[script.stream]} >= {"stop_generation", "stop_transmission"}

    def problems(self, scripts: list[Script]) -> list[str]:
        """Everything that breaks a guarantee, in words."""
        found = []
        for script in scripts:
            name, mark, orders = script.stream, self.marks[script.stream], self.orders[script.stream]
            if not self.settled(script):
                found.append(f"{name}: not settled, watermark {mark} of {script.length}, {len(orders)} orders")
            if script.violation is None and orders:
                found.append(f"{name}: clean and stopped: {orders[0].reason}")
            if script.violation is not None:
                if mark > script.violation:
                    found.append(f"{name}: leaked, released to {mark}, violation at {script.violation}")
                if {o.reason for o in orders} - {"finding"}:
                    found.append(f"{name}: stopped as {orders[0].reason}")
                if len({o.id for o in orders}) > 2:
                    found.append(f"{name}: {len({o.id for o in orders})} different orders")
        found += [f"{name}: passed unscanned" for name in self.unscanned]
        return found


def scripts(count: int, producers: int, *, parts: int = 40, bad_share: float = 0.4, seed: int = 1) -> list[Script]:
    """Streams of random cuts of clean text; some with a term, cut anywhere, somewhere in the middle."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        text = _CLEAN * (1 + parts * 4 // len(_CLEAN))
        text = text[: parts * 4]
        violation = None
        if rng.random() < bad_share:
            violation = rng.randrange(20, len(text) - 20)
            term = rng.choice(["大赌场网址", " buy fake pills ", "大*赌\u200b场网址"])
            text = text[:violation] + term + text[violation:]
            violation += 1 if term.startswith(" ") else 0
        cut, at = [], 0
        while at < len(text):
            size = rng.randint(1, 7)
            cut.append(text[at : at + size])
            at += size
        made.append(Script(f"s{number:04d}", f"producer-{number % producers}", cut, violation))
    return made


async def publish(
    bootstrap: str, scripts: list[Script], *, steps_per_second: float, topics: Topics | None = None
) -> None:
    """Publish all streams side by side, one delta of each live stream of a producer to a frame, as LLM servers do."""
    names = topics or Topics()
    by_producer: dict[str, list[Script]] = defaultdict(list)
    for script in scripts:
        by_producer[script.producer].append(script)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        starts: dict[str, int] = defaultdict(int)
        for seq in range(max(len(s.parts) for s in scripts)):
            began = time.monotonic()
            for name, group in by_producer.items():
                deltas = []
                for script in group:
                    if seq < len(script.parts):
                        text = script.parts[seq]
                        final = seq == len(script.parts) - 1
                        deltas.append(Delta(script.stream, seq, starts[script.stream], text, final=final))
                        starts[script.stream] += len(text)
                if deltas:
                    frame = encode(Frame(1, name, deltas, time.time()))
                    await producer.send(names.outputs, frame, key=name.encode())
            await asyncio.sleep(max(0.0, 1 / steps_per_second - (time.monotonic() - began)))
        await producer.flush()
    finally:
        await producer.stop()


async def observe(
    bootstrap: str,
    scripts: list[Script],
    *,
    timeout: float,
    account: Account | None = None,
    topics: Topics | None = None,
) -> Account:
    """Read decisions from their beginning until every stream has settled, or the time is over."""
    names = topics or Topics()
    account = account or Account()
    consumer = AIOKafkaConsumer(names.decisions, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    known = {s.stream for s in scripts}
    open_scripts = {s.stream: s for s in scripts}
    deadline = time.monotonic() + timeout
    try:
        while open_scripts and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    account.arrivals.append(time.monotonic())
                    decision = read_decision(record.value)
                    if isinstance(decision, Release):
                        for mark in [*decision.marks, *decision.unscanned]:
                            if mark.stream in known:
                                account.marks[mark.stream] = max(account.marks[mark.stream], mark.offset)
                        account.unscanned.update(m.stream for m in decision.unscanned)
                    elif isinstance(decision, Order) and decision.stream in known:
                        account.orders[decision.stream].append(decision)
            open_scripts = {name: s for name, s in open_scripts.items() if not account.settled(s)}
    finally:
        await consumer.stop()
    return account
