"""The streams of the demo: so many at once, until all of them are over, and what is known of them at any moment."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence

from sluice.client import ModerationClient
from sluice.demo.measure import Meter
from sluice.demo.scripts import Script
from sluice.demo.stream import StreamRun

__all__ = ["AT_ONCE", "ROWS", "Show"]

AT_ONCE = 24
"""Answers that stream at the same time, as long as there are enough."""
ROWS = 34
"""Places on the screen: those that stream, and some that ended, to be read."""
_RATE_SECONDS = 2.0


class Show:
    """Plays the streams and keeps the books. Read it at any time, from the same event loop."""

    def __init__(self, scripts: Sequence[Script], count: int, seed: int) -> None:
        """`count` streams: all scripts once in a random order, then again in another one, and so on."""
        self.meter = Meter()
        self.runs: list[StreamRun] = []
        """All that have begun, in that order."""
        self.rows: list[StreamRun] = []
        """What is on the screen, by row."""
        self.at_once = 0
        """Most that streamed at the same time."""
        self.began_at = 0.0
        self.ended_at: float | None = None
        self._count = count
        self.on_begin: Callable[[StreamRun], None] = lambda run: None
        self.on_end: Callable[[StreamRun], None] = lambda run: None
        self._rng = random.Random(seed)  # noqa: S311
        self._plan = self._cycle(scripts, count)
        self._ended: deque[StreamRun] = deque()  # of those in rows; the one that ended first is at the left
        self._samples: deque[tuple[float, int]] = deque()

    async def play(self, clients: Sequence[ModerationClient], seconds: float) -> None:
        """Play them all; after `seconds` none begins any more.

        Raises:
            UnavailableError: something that is needed is not there any more.
        """
        clock = asyncio.get_running_loop().time
        for client in clients:
            client.feed.tap = self.meter.tap
        self.began_at = clock()
        until = self.began_at + seconds
        lanes = [asyncio.create_task(self._lane(clients, until)) for _ in range(min(AT_ONCE, len(self._plan)))]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
            self.ended_at = clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the first stream began, until the last one ended."""
        if not self.began_at:
            return 0.0
        return (self.ended_at or asyncio.get_running_loop().time()) - self.began_at

    @property
    def begun(self) -> float:
        """Share of the streams that have begun."""
        return len(self.runs) / self._count

    def rate(self) -> float:
        """Deltas a second, over the last two seconds; to be asked regularly."""
        now, deltas = self.elapsed, sum(run.deltas for run in self.runs)
        self._samples.append((now, deltas))
        while now - self._samples[0][0] > _RATE_SECONDS:
            self._samples.popleft()
        then, before = self._samples[0]
        return (deltas - before) / (now - then) if now > then else 0.0

    async def _lane(self, clients: Sequence[ModerationClient], until: float) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._rng.random() * 0.3)
        while self._plan and clock() < until:
            stream_id, script = self._plan.popleft()
            number = len(self.runs)
            run = StreamRun(stream_id, script, random.Random(self._rng.random()))  # noqa: S311
            self.runs.append(run)
            self._show(run)
            self.on_begin(run)
            await run.play(clients[number % len(clients)])
            self._ended.append(run)
            self.on_end(run)

    def _show(self, run: StreamRun) -> None:
        if len(self.rows) < ROWS:
            self.rows.append(run)
        else:
            # A stop is read longer than that nothing happened.
            gone = next((old for old in self._ended if old.state == "released"), None) or self._ended[0]
            self._ended.remove(gone)
            self.rows[self.rows.index(gone)] = run
        self.at_once = max(self.at_once, sum(run.state == "streaming" for run in self.rows))

    def _cycle(self, scripts: Sequence[Script], count: int) -> deque[tuple[str, Script]]:
        plan: deque[tuple[str, Script]] = deque()
        turn = 0
        while len(plan) < count:
            turn += 1
            order = self._rng.sample(scripts, len(scripts))
            plan.extend((f"{script.id}.{turn}", script) for script in order[: count - len(plan)])
        return plan
