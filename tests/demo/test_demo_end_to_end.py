"""The real command: with a broker of its own, on somebody else's, on the mock one, and broken off."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from sluice.demo.perform import Settings, perform
from sluice.demo.present import PlainLines
from sluice.demo.scripts import load_scripts
from sluice.errors import UnavailableError
from sluice.local import KafkaBroker
from sluice.local.jars import provide
from support.brokers import STATE
from support.waiting import until

ALL_ONCE = len(load_scripts())
SECONDS = 170.0


class Marked:
    """Starts the demo in a folder of its own; all that it starts carries a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "build" / "demo.json"
        self._mark = f"SLUICE_TEST_MARK={uuid.uuid4().hex}"

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        name, _, value = self._mark.partition("=")
        inherited = {key: text for key, text in os.environ.items() if key != "KAFKA_BOOTSTRAP_SERVERS"}
        return subprocess.Popen(
            [sys.executable, "-m", "sluice", "demo", *options],
            cwd=self.folder,
            env={**inherited, name: value, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *options: str, **environment: str) -> tuple[int, str]:
        with self.start(*options, **environment) as process:
            try:
                output, _ = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
        return process.returncode, output

    def processes(self) -> list[str]:
        """Processes with the mark that are running."""
        table = subprocess.run(["ps", "axeww", "-o", "stat=,pid=,command="], capture_output=True, text=True, check=True)
        return [line for line in table.stdout.splitlines() if self._mark in line and not line.startswith("Z")]

    def left(self) -> list[str]:
        """Files of runs and brokers that are over."""
        state = self.folder / ".sluice"
        kafka = [path.name for path in (state / "kafka").iterdir() if path.name not in ("lib", "lib.lock")]
        return kafka + [path.name for path in (state / "demo").iterdir()]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Marked]:
    (tmp_path / ".sluice" / "kafka").mkdir(parents=True)
    (tmp_path / ".sluice" / "kafka" / "lib").symlink_to(provide(STATE))
    marked = Marked(tmp_path)
    yield marked
    assert until(lambda: marked.processes() == [], 20), marked.processes()


async def topics(bootstrap: str) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


@pytest.mark.kafka
def test_every_script_on_a_broker_of_its_own(demo: Marked) -> None:
    status, output = demo.run("--streams", str(ALL_ONCE))
    assert status == 0, output
    assert "\x1b" not in output
    found = json.loads(demo.out.read_text())
    assert found["problems"] == []
    assert (found["streams"], found["streams_at_once"]) == (ALL_ONCE, 24)
    assert found["stops_carried_out"] == found["stops_expected"] >= 9
    assert (found["clean_stopped"], found["leaked_characters"]) == (0, 0)
    assert found["broker"].startswith("Apache Kafka 4.4") and found["durable"]
    # One step is under way when the order comes; the decoder does not begin another one.
    assert found["tokens_after_order"] <= found["stops_carried_out"]
    assert found["held_characters_mean"] > 0
    assert 0 < found["publish_to_decision_ms"]["p50"] <= found["publish_to_decision_ms"]["p99"]
    assert 0 < found["publish_to_stop_ms"]["p50"] <= found["publish_to_stop_ms"]["p99"]
    kinds = found["decisions"]["by_kind"]
    assert kinds["stop_generation"] == kinds["stop_transmission"] == found["stops_expected"]
    assert kinds["support"] == 2
    assert sum(found["decisions"]["by_risk"].values()) >= found["stops_expected"]
    assert all(found["versions"].values())
    assert [worker["restarts"] for worker in found["workers"]] == [0, 0]
    assert all(worker["deltas"] > 0 for worker in found["workers"])
    assert output.count(" STOP ") == found["stops_expected"]
    assert demo.left() == []


@pytest.mark.kafka
def test_on_a_broker_of_somebody_else_nothing_is_left(demo: Marked, kafka: KafkaBroker) -> None:
    before = asyncio.run(topics(kafka.bootstrap))
    status, output = demo.run("--plain", "--streams", "10", "--keep-logs", KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap)
    assert status == 0, output
    assert json.loads(demo.out.read_text())["broker"] == "external Kafka"
    new = asyncio.run(topics(kafka.bootstrap)) - before
    assert {name for name in new if name.startswith("sluice-demo-")} == set()
    (logs,) = (demo.folder / ".sluice" / "demo").iterdir()
    assert {path.name for path in logs.iterdir()} == {"demo.log", "worker-0.log", "worker-1.log"}
    assert "毒" not in "".join(path.read_text() for path in logs.iterdir())


@pytest.mark.slow
def test_without_java_it_runs_on_the_mock_broker_and_says_so(demo: Marked) -> None:
    status, output = demo.run("--streams", str(ALL_ONCE), PATH="/nonexistent", JAVA_HOME="")
    assert status == 0, output
    assert "Java 17 or newer is needed" in output and "NOT durable" in output
    found = json.loads(demo.out.read_text())
    assert "mock" in found["broker"] and not found["durable"]
    assert found["stops_carried_out"] == found["stops_expected"] >= 9


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("moment", "number"),
    [("Broker:", signal.SIGINT), ("Starting 2 workers", signal.SIGTERM), (" start ", signal.SIGINT)],
)
def test_broken_off_it_leaves_no_process(demo: Marked, moment: str, number: signal.Signals) -> None:
    with demo.start("--plain") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if moment in line:
                break
        process.send_signal(number)
        process.send_signal(number)  # an impatient user
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, "".join(lines) + rest
    assert "Interrupted" in rest
    assert not demo.out.exists()
    assert demo.processes() == []
    # A broker that is broken off while it starts leaves its folder, where its log may say why.
    assert demo.left() == [] or (moment == "Broker:" and all(name.startswith("broker-") for name in demo.left()))


@pytest.mark.kafka
def test_with_nobody_to_read_its_lines_it_ends(demo: Marked, kafka: KafkaBroker) -> None:
    with demo.start("--plain", KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " start " in line:
                break
        process.stdout.close()
        assert process.wait(60) not in (0, None)


@pytest.mark.kafka
def test_a_worker_that_cannot_start_ends_it_with_its_last_lines(
    kafka: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    before = signal.getsignal(signal.SIGINT)
    broken = tmp_path / "lexicon"
    broken.mkdir()
    (broken / "drugs.tsv").write_text("no header\n")
    settings = Settings(streams=5, seconds=5, state=tmp_path / "state", worker_options={"lexicon": broken})
    with pytest.raises(UnavailableError, match=r"worker-\d does not start(.|\n)*drugs\.tsv"):
        perform(settings, PlainLines())
    assert signal.getsignal(signal.SIGINT) is before
    assert "Starting 2 workers" in capsys.readouterr().out
    assert list((tmp_path / "state" / "demo").glob("*/worker-0.log"))
