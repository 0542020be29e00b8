"""A real Apache Kafka broker on this machine, for development, tests and the demo."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from sluice.errors import UnavailableError
from sluice.local.children import Child, tail
from sluice.local.jars import kafka_version, provide
from sluice.local.java import find_java
from sluice.local.ports import free_ports
from sluice.local.probe import cluster_of

__all__ = ["KafkaBroker"]

START_SECONDS = 90.0
"""A start takes about 2 s; this is for a machine with much else to do."""
STOP_SECONDS = 20.0
"""A clean stop takes under a second; after this it is killed, which costs nothing but a longer next start."""
PORT_TRIES = 5
"""Starts with other ports when somebody took ours between the choice and the start."""

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dir={log_dir}
auto.create.topics.enable=false
# One broker: every internal topic has one replica, and the first consumer need not wait for others.
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# The default of 6 s is too long for tests in which a worker dies; a worker elsewhere should not use less.
group.min.session.timeout.ms=1000
# After a SIGKILL the controller, on the data of before, takes the broker for alive until its session is over, and
# refuses it until then: 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

_JVM = (
    "-XX:TieredStopAtLevel=1",  # the quick compiler only: halves the start, and this broker is no benchmark of Kafka
    "-Xmx512m",
    "-Dlog4j2.level=WARN",  # log4j's default is errors alone
)


class KafkaBroker:
    """One broker that is its own controller (KRaft). Its ports are chosen at the first start and then kept.

    Not safe to call from several threads at once. The broker dies with this process, however that ends.
    """

    durable = True

    def __init__(self, root: Path, data: Path | None = None) -> None:
        """`root` is the state folder (`.sluice`): the jars are kept there, for all brokers.

        `data` is this broker's own folder and is left behind; without it, it gets a new one below `root`,
        which the end of the `with` block removes.
        """
        self._root = root.resolve()
        self._keep = data is not None
        self._home = data.resolve() if data else None
        self._ports: tuple[int, int] | None = None
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """E.g. `Apache Kafka 4.4.0`."""
        return f"Apache Kafka {kafka_version()}"

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`, the same over all starts of this object; only after the first one."""
        if self._ports is None:
            raise RuntimeError("the broker was not started yet")
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker, or None when it does not run."""
        return None if self._child is None or self._child.poll() is not None else self._child.pid

    def start(self) -> None:
        """Start it, again on the same data after `stop()` or `kill()`; returns when it serves clients (about 3 s).

        Raises:
            UnavailableError: Java or Maven is missing, or the broker does not come up; shows its last log lines.
        """
        if self.pid is not None:
            raise RuntimeError("the broker is already running")
        java = find_java()
        classpath = str(provide(self._root) / "*")
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="broker-", dir=self._root / "kafka"))
        settings = self._home / "server.properties"
        log = self._home / "broker.log"
        for attempt in range(PORT_TRIES):
            ports = self._ports or tuple(free_ports(2))
            self._write_settings(settings, *ports)
            cluster = self._cluster_id() or self._format(java, classpath, settings)
            started_at = log.stat().st_size if log.exists() else 0
            self._child = Child([java, *_JVM, "-cp", classpath, "kafka.Kafka", str(settings)], log)
            if self._wait_until_ready(ports[0], cluster):
                self._ports = (ports[0], ports[1])
                return
            taken = self._child.poll() is not None and b"Address already in use" in log.read_bytes()[started_at:]
            self._child.kill()
            if not taken:
                break
            if self._ports:
                time.sleep(attempt + 1)  # clients know these ports: wait for them instead of changing
        raise UnavailableError(f"{self.name} did not start; last lines of {log}:\n{tail(log)}")

    def stop(self) -> None:
        """Stop it in good order, by SIGKILL when that takes too long. The data stays; harmless when repeated."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)
            self._child = None

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would. What it acknowledged is there again after `start()`."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def remove(self) -> None:
        """Delete its data and log; the jars stay. Stops it first."""
        self.stop()
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()  # the folder stays: the error names the log in it
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keep:
            self.stop()
        else:
            self.remove()

    @property
    def _log_dir(self) -> Path:
        """Kafka's own folder; it may hold nothing else."""
        assert self._home is not None  # noqa: S101
        return self._home / "log"

    def _write_settings(self, settings: Path, port: int, controller: int) -> None:
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(_SETTINGS.format(port=port, controller=controller, log_dir=self._log_dir), "utf-8")

    def _cluster_id(self) -> str | None:
        """Id of the cluster whose data is in the folder; None for a folder that is still empty."""
        try:
            found = re.search(r"^cluster\.id=(.+)$", (self._log_dir / "meta.properties").read_text(), re.MULTILINE)
        except OSError:
            return None
        return found[1].strip() if found else None

    def _format(self, java: str, classpath: str, settings: Path) -> str:
        # A leading dash would be read as an option.
        cluster = "S" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        arguments = ["format", "--standalone", "-t", cluster, "-c", str(settings)]
        done = subprocess.run(  # noqa: S603
            [java, *_JVM, "-cp", classpath, "kafka.tools.StorageTool", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise UnavailableError(f"{self.name} could not format {self._log_dir}:\n{done.stdout[-2000:]}")
        return cluster

    def _wait_until_ready(self, port: int, cluster: str) -> bool:
        """Whether *this* broker answered; False when its process ended or took too long."""
        assert self._child is not None  # noqa: S101
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                # Another broker may hold the port that ours is about to fail on.
                if cluster_of("127.0.0.1", port) == cluster:
                    return True
            except OSError:
                pass
            time.sleep(0.03)
        return False
