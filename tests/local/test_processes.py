"""The supervisor: stable slots, quick restarts, an end to trying, and nothing left behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluice.errors import UnavailableError
from sluice.local import Slot, Supervisor
from sluice.local.children import Child, tail
from support.waiting import alive, group_members, until

SLEEPER = "import sys, time; print('up', *sys.argv[1:], flush=True); time.sleep(120)"


def slot(tmp_path: Path, name: str, program: str = SLEEPER) -> Slot:
    return Slot(name, [sys.executable, "-c", program, "--slot", name], tmp_path / f"{name}.log")


def test_a_killed_child_comes_back_in_its_slot(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    with Supervisor([slot(tmp_path, "0"), slot(tmp_path, "1")]) as supervisor:
        assert until(lambda: log.read_text() == "up --slot 1\n", 10)
        before = supervisor.pids()
        killed_at = time.monotonic()
        os.kill(before["1"], signal.SIGKILL)
        assert until(lambda: supervisor.pids().get("1", before["1"]) != before["1"], 5)
        assert time.monotonic() - killed_at < 1
        assert supervisor.pids()["0"] == before["0"]
        assert supervisor.restarts() == {"0": 0, "1": 1}
        assert until(lambda: log.read_text() == "up --slot 1\n" * 2, 10)
        supervisor.check()
        after = supervisor.pids()
    assert not any(alive(pid) for pid in after.values())
    assert supervisor.pids() == {}


def test_repeated_quick_deaths_are_given_up_with_the_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluice.local.processes.FREE_RESTARTS", 5)  # no pauses
    bad = slot(tmp_path, "bad", "print('cannot load the model'); raise SystemExit(3)")
    with Supervisor([bad, slot(tmp_path, "good")]) as supervisor:
        assert supervisor.wait(30)
        with pytest.raises(UnavailableError, match=r"(?s)bad ended 6 times .* status 3.*cannot load the model"):
            supervisor.check()
        assert list(supervisor.pids()) == ["good"]


def test_after_some_quick_deaths_there_is_a_pause(tmp_path: Path) -> None:
    program = "import time; print(time.monotonic(), flush=True)"
    with Supervisor([slot(tmp_path, "0", program)]) as supervisor:
        assert supervisor.wait(30)
    births = [float(line) for line in (tmp_path / "0.log").read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(births)]
    assert len(births) == 6
    assert min(gaps[3:]) >= 0.5
    assert gaps[4] > gaps[3]


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.local.processes.FREE_RESTARTS", 5)
    with Supervisor([Slot("0", ["/nowhere/sluice"], tmp_path / "0.log")]) as supervisor:
        assert supervisor.wait(30)
        with pytest.raises(UnavailableError, match=r"(?s)status 127.*/nowhere/sluice"):
            supervisor.check()


def test_stop_kills_what_ignores_sigterm(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPER
    supervisor = Supervisor([slot(tmp_path, "0", stubborn)], stop_seconds=0.5)
    supervisor.start()
    assert until(lambda: (tmp_path / "0.log").read_text(), 10)
    pid = supervisor.pids()["0"]
    started = time.monotonic()
    supervisor.stop()
    assert 0.4 < time.monotonic() - started < 5
    assert not alive(pid)
    assert supervisor.restarts() == {"0": 0}


def test_stop_before_start_and_twice_is_harmless(tmp_path: Path) -> None:
    supervisor = Supervisor([slot(tmp_path, "0")])
    supervisor.stop()
    supervisor.start()
    assert supervisor.pids() == {}
    supervisor.stop()


def test_slot_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unique"):
        Supervisor([slot(tmp_path, "0"), slot(tmp_path, "0")])


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(1)", "sys.exit(0)"])
def test_children_and_grandchildren_end_with_their_parent(tmp_path: Path, end: str) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from sluice.local import Slot, Supervisor\n"
        "supervisor = Supervisor([Slot('0', ['sh', '-c', 'sleep 120 & sleep 120'], Path(sys.argv[1]))])\n"
        f"supervisor.start(); print(supervisor.pids()['0'], flush=True); sys.stdin.readline(); {end}"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")], stdin=pipe, stdout=pipe, text=True
    ) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        assert until(lambda: len(group_members(group)) == 3, 10)
        parent.communicate("\n", timeout=20)
    assert until(lambda: not any(map(alive, group_members(group))), 5)


def test_a_child_that_leaves_a_process_behind_takes_it_along(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "sleep 120 & exit 0"], tmp_path / "log")
    assert child.wait(10) == 0
    assert until(lambda: not any(map(alive, group_members(child.pid))), 5)
    child.terminate()  # harmless afterwards


def test_a_guard_that_was_killed_is_replaced(tmp_path: Path) -> None:
    first = Child(["sleep", "120"], tmp_path / "first.log")
    listing = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())]
    rows = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    (guard,) = [int(row.split()[0]) for row in rows if "guard.py" in row]
    os.kill(guard, signal.SIGKILL)
    assert until(lambda: not alive(guard), 5)
    second = Child(["sleep", "120"], tmp_path / "second.log")
    assert alive(first.pid)
    assert alive(second.pid)
    for child in (first, second):
        child.stop(5)
        assert child.poll() == -signal.SIGTERM


def test_tail_shows_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == "  (no log)"
    log.write_bytes(b"")
    assert tail(log) == "  (the log is empty)"
    log.write_bytes(b"x\n" * 9000 + "坏\xff\nlast".encode())
    assert tail(log, 2).endswith("\n  last")
