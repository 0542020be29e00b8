"""Child processes that never outlive the process that started them."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Child", "tail"]

# The child waits for a line before it becomes the program. So it is registered with the guard before it can do
# anything, and when this process dies in between, the read fails and nothing was started.
_GATE = 'read -r go && exec "$@" </dev/null'

_KILL_SECONDS = 10.0  # SIGKILL is not refused; more than this means a process stuck in the kernel


class _Guard:
    """The watching process (`guard.py`), started with the first child. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            if self._process is None:
                self._begin()
            try:
                self._tell(group)
            except BrokenPipeError:  # somebody killed the guard
                self._end()
                self._begin()

    def discard(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)
            if self._process is not None:
                # A guard that is gone is replaced by the next `add`.
                with contextlib.suppress(BrokenPipeError):
                    self._tell(-group)

    def close(self) -> None:
        """At a normal exit: kill what is still registered and wait until that is done."""
        with self._lock:
            if self._process is not None:
                self._end()

    def forget(self) -> None:
        """In a forked child: the pipe is the parent's, and a copy left open would hide the parent's end."""
        self._lock = threading.Lock()
        self._groups = set()
        if self._process is not None:
            os.close(self._pipe)
            self._process.returncode = 0  # not this process's child: nothing to wait for
            self._process = None

    def _begin(self) -> None:
        read_end, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))],
                stdin=read_end,
                start_new_session=True,  # a Ctrl-C at the terminal is not for it
            )
        finally:
            os.close(read_end)
        for group in self._groups:
            self._tell(group)

    def _tell(self, number: int) -> None:
        os.write(self._pipe, b"%d\n" % number)

    def _end(self) -> None:
        process, self._process = self._process, None
        os.close(self._pipe)
        if process is not None:
            try:
                process.wait(_KILL_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


_guard = _Guard()
atexit.register(_guard.close)
os.register_at_fork(after_in_child=_guard.forget)


class Child:
    """A running program in a process group of its own, with its output in a file.

    Started by the constructor, which does not wait for it. Methods may be called from any thread. If this process
    ends without `stop()`, even by SIGKILL, the whole group is killed.
    """

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start `argv`; standard output and error are appended to `log`, `env` is added to the environment.

        Raises:
            OSError: the log cannot be written or no process can be made. A program that does not exist
                ends with exit status 127 and a line in the log.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self._ended = False
        read_end, gate = os.pipe()
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603
                    ["/bin/sh", "-c", _GATE, "sh", *argv],
                    stdin=read_end,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **(env or {})},
                    start_new_session=True,
                )
            _guard.add(self.pid)
            with contextlib.suppress(BrokenPipeError):
                os.write(gate, b"\n")
        finally:
            os.close(read_end)
            os.close(gate)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs. Does not block."""
        return self.wait(0)

    def wait(self, seconds: float | None = None) -> int | None:
        """Block until it ends or `seconds` have passed; the exit status, or None."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._signal(signal.SIGKILL)  # what it may have left in its group
        self._ended = True
        _guard.discard(self.pid)
        return status

    def terminate(self) -> None:
        """Ask the whole group to end (SIGTERM). Does not wait."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group by SIGKILL and wait for the program's end."""
        self._signal(signal.SIGKILL)
        self.wait(_KILL_SECONDS)

    def stop(self, seconds: float) -> None:
        """SIGTERM, and SIGKILL when it still runs after `seconds`. Blocks until it has ended."""
        self.terminate()
        if self.wait(seconds) is None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._ended:
            return  # by now the number may be another process's
        # macOS answers EPERM instead of ESRCH for a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented, for an error message; at most 8 KiB of it are read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (the log is empty)"
