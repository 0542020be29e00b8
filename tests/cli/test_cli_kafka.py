"""`sluice kafka` runs a broker and takes it away again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.local import ExternalBroker

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.kafka
def test_it_runs_until_it_is_told_to_stop() -> None:
    process = subprocess.Popen([sys.executable, "-m", "sluice", "kafka"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Apache Kafka")
        bootstrap = process.stdout.readline().strip().removeprefix("export KAFKA_BOOTSTRAP_SERVERS=")
        with ExternalBroker(bootstrap):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
