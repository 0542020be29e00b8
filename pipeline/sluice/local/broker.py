"""What the demo, the tests and the tools need of a broker, whichever it is."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from sluice.errors import UnavailableError
from sluice.local.probe import cluster_of

__all__ = ["Broker", "ExternalBroker"]

_REACH_SECONDS = 10.0  # long enough for a broker that is just being started beside us


class Broker(Protocol):
    """A broker for the length of a `with` block. All methods block; from asyncio, call them in a thread."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def durable(self) -> bool:
        """Whether records are still there after the broker was killed."""

    @property
    def bootstrap(self) -> str:
        """`host:port[,host:port…]` for clients; only between start and stop."""

    def start(self) -> None:
        """Start it, and return when it serves clients.

        Raises:
            UnavailableError: it does not; says why and what to do.
        """

    def stop(self) -> None:
        """Stop what `start()` started; harmless when repeated."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ExternalBroker:
    """A broker that somebody else runs, e.g. the one that KAFKA_BOOTSTRAP_SERVERS names."""

    name = "external Kafka"
    durable = True

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def start(self) -> None:
        """Check that one of the servers answers within ten seconds.

        Raises:
            UnavailableError: none does; says what each of them answered.
        """
        deadline = time.monotonic() + _REACH_SECONDS
        while True:
            problems = []
            for server in self.bootstrap.split(","):
                problem = _problem(server.strip())
                if problem is None:
                    return
                problems.append(f"  {problem}")
            if time.monotonic() > deadline:
                raise UnavailableError("no Kafka broker answers:\n" + "\n".join(problems))
            time.sleep(0.2)

    def stop(self) -> None:
        """Nothing: it is not ours."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _problem(server: str) -> str | None:
    """Why this server cannot be used just now, or None when it can."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        return f"{server!r} is not host:port"
    try:
        cluster = cluster_of(host.strip("[]"), int(port))
    except OSError as error:
        return f"{server}: {error}"
    return None if cluster is not None else f"{server}: no broker of the cluster is ready"
