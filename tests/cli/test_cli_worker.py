"""`sluice worker` and `sluice workers` with settings that cannot work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from sluice.cli.worker import worker
from sluice.local import worker_slots
from sluice.worker import app
from sluice.worker.settings import WorkerSettings


def test_wrong_settings_end_at_once_with_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text("term\trisk\tseverity\n毒\tA.1.h\t9\n")
    command = [sys.executable, "-m", "sluice"]
    result = subprocess.run(
        [*command, "worker", "--lexicon", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 78
    assert "bad.tsv:2: " in result.stderr and "Traceback" not in result.stderr

    began = time.monotonic()
    result = subprocess.run(
        [*command, "workers", "--count", "2", "--lexicon", str(tmp_path), "--logs", str(tmp_path / "logs")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1 and "bad.tsv:2: " in result.stderr
    assert "in a row" not in result.stderr, "it was not tried again and again"
    assert time.monotonic() - began < 50


def test_how_the_model_runs_is_told_to_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[WorkerSettings] = []
    monkeypatch.setattr(app, "run_worker", told.append)
    run = CliRunner().invoke
    assert run(worker, ["--provider", "cuda", "--threads", "4", "--judge-wait-ms", "0"]).exit_code == 0
    assert run(worker, []).exit_code == 0
    assert [(s.provider, s.threads, s.judge_wait) for s in told] == [("cuda", 4, 0.0), ("cpu", 1, 0.005)]
    assert run(worker, ["--provider", "tpu"]).exit_code == 2


def test_the_key_of_the_hashes_is_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[WorkerSettings] = []
    monkeypatch.setattr(app, "run_worker", told.append)
    for key in ("秘", os.fsdecode(b"\xff"), ""):
        monkeypatch.setenv("SLUICE_HASH_KEY", key)
        assert CliRunner().invoke(worker, []).exit_code == 0
    assert [settings.hash_key for settings in told] == ["秘".encode(), b"\xff", None]


def test_workers_pass_on_an_option_that_is_nought(tmp_path: Path) -> None:
    (slot,) = worker_slots(1, tmp_path, judge_wait_ms=0.0, mock_broker=False, policy=None, topics_prefix="")
    assert list(slot.argv)[4:] == ["--judge-wait-ms", "0.0", "--slot", "0"]
