"""Keeps a fixed set of child processes running: each slot has a stable name, and a dead child is replaced at once.

With static group membership a worker that comes back under the same slot within its session gets its partitions
back without a rebalance, so the speed of the restart is what decides how long its streams stand still.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sluice.errors import UnavailableError
from sluice.local.children import Child, tail

__all__ = ["EXIT_CONFIG", "Slot", "Supervisor"]

QUICK_SECONDS = 5.0
"""A child that lived shorter than this died quickly; a longer life clears the count."""
FREE_RESTARTS = 3
"""So many quick deaths in a row are answered at once; from then on with a pause, 0.5 s and doubling."""
EXIT_CONFIG = 78
"""A child that ends so (EX_CONFIG of sysexits.h) says that its settings are wrong: it is given up at once."""
MAX_QUICK_DEATHS = 6
"""So many in a row are a defect that restarting does not mend: the slot is given up."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One child to keep running."""

    name: str
    argv: Sequence[str]
    log: Path
    """Standard output and error of all its lives, one after the other."""
    env: Mapping[str, str] | None = None
    """Added to this process's environment."""


class Supervisor:
    """Runs one child per slot, each watched by a thread of its own. Methods may be called from any thread.

    From asyncio, `start()` may be called directly; `stop()` and `wait()` block, so call them by
    `asyncio.to_thread`. The children die with this process, even when it is killed by SIGKILL.
    """

    def __init__(self, slots: Sequence[Slot], *, stop_seconds: float = 15.0) -> None:
        """`stop_seconds`: how long `stop()` lets the children end by themselves before SIGKILL."""
        if len({slot.name for slot in slots}) != len(slots):
            raise ValueError("slot names must be unique")
        self._slots = tuple(slots)
        self._stop_seconds = stop_seconds
        self._lock = threading.Lock()
        self._children: dict[str, Child] = {}
        self._births = dict.fromkeys((slot.name for slot in slots), 0)
        self._failures: dict[str, str] = {}
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The children to keep running."""
        return self._slots

    def start(self) -> None:
        """Start every slot; returns when all children were started, not when they are ready.

        Raises:
            OSError: a log cannot be written; nothing is left running.
        """
        if self._threads:
            raise RuntimeError("a supervisor is started once")
        try:
            first = [(slot, self._spawn(slot)) for slot in self._slots]
        except OSError:
            self.stop()
            raise
        for slot, child in first:
            thread = threading.Thread(target=self._watch, args=(slot, child), name=f"slot-{slot.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL after `stop_seconds`. Blocks until all have ended; harmless when repeated."""
        with self._lock:
            self._stopping.set()
            children = list(self._children.values())
        for child in children:
            child.terminate()
        deadline = time.monotonic() + self._stop_seconds
        for child in children:
            if child.wait(max(0.0, deadline - time.monotonic())) is None:
                child.kill()
        for thread in self._threads:
            thread.join()

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now, by slot."""
        with self._lock:
            return {name: child.pid for name, child in self._children.items() if child.poll() is None}

    def restarts(self) -> dict[str, int]:
        """How often each slot's child was replaced."""
        with self._lock:
            return {name: max(0, births - 1) for name, births in self._births.items()}

    def check(self) -> None:
        """Do nothing while every slot is kept running.

        Raises:
            UnavailableError: a slot was given up; names it and shows its last log lines.
        """
        with self._lock:
            problems = "\n".join(self._failures.values())
        if problems:
            raise UnavailableError(problems)

    def wait(self, seconds: float | None = None) -> bool:
        """Block until a slot is given up (True), or for `seconds` (False)."""
        return self._failed.wait(seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, slot: Slot) -> Child | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            child = self._children[slot.name] = Child(slot.argv, slot.log, slot.env)
            self._births[slot.name] += 1
            return child

    def _watch(self, slot: Slot, child: Child | None) -> None:
        """Replace the slot's child whenever it ends, until `stop()` or until it is given up."""
        quick = 0
        while child is not None:
            born = time.monotonic()
            status = child.wait()
            if self._stopping.is_set():
                return
            if status == EXIT_CONFIG:
                self._give_up(slot, "does not start with these settings")
                return
            quick = quick + 1 if time.monotonic() - born < QUICK_SECONDS else 0
            if quick >= MAX_QUICK_DEATHS:
                self._give_up(slot, f"ended {quick} times in a row, the last time with exit status {status}")
                return
            if quick > FREE_RESTARTS and self._stopping.wait(0.5 * 2 ** (quick - FREE_RESTARTS - 1)):
                return
            try:
                child = self._spawn(slot)
            except OSError as error:
                self._give_up(slot, f"could not be restarted: {error}")
                return

    def _give_up(self, slot: Slot, reason: str) -> None:
        with self._lock:
            self._failures[slot.name] = f"{slot.name} {reason}; last lines of {slot.log}:\n{tail(slot.log)}"
        self._failed.set()
