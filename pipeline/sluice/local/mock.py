"""librdkafka's mock cluster: a broker inside this process, for machines without Java.

It speaks the protocol over TCP, to other processes too, and forgets everything when this process ends. It keeps
about 5 MiB a partition, has no retention and no compaction, and is slower to answer than a real broker. It has no
request that creates topics: that is done here, by a call into the library that confluent-kafka's wheel brings.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from types import TracebackType
from typing import Self

from sluice.errors import InputError, UnavailableError

__all__ = ["MockBroker"]

_PRODUCER = 0  # rd_kafka_type_t; the cluster hangs on a client handle of any type
_ERRORS_ONLY = b"3"  # syslog level; the handle has no servers of its own and would say so


class MockBroker:
    """A cluster of one mock broker. Start and stop it in the same process; clients may be anywhere."""

    name = "mock broker (librdkafka, not durable)"
    durable = False

    def __init__(self) -> None:
        self._library: ctypes.CDLL | None = None
        self._handle: int | None = None
        self._cluster: int | None = None
        self._partitions: dict[str, int] = {}

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port`; only while it runs."""
        library, cluster = self._running()
        servers: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
        return servers.decode()

    def start(self) -> None:
        """Start it; takes a few milliseconds.

        Raises:
            UnavailableError: confluent-kafka is not installed, or does not bring the mock cluster.
        """
        if self._cluster is not None:
            raise RuntimeError("the mock broker is already running")
        library = self._library = _load()
        error = ctypes.create_string_buffer(512)
        settings = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(settings, b"log_level", _ERRORS_ONLY, error, len(error))
        self._handle = library.rd_kafka_new(_PRODUCER, settings, error, len(error))
        if not self._handle:
            raise UnavailableError(f"the mock broker did not start: {error.value.decode()}")
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        if not self._cluster:
            self.stop()
            raise UnavailableError("the mock broker did not start")
        # The first member of a group would wait 3 s for others.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic; harmless when it exists with this number of partitions.

        Raises:
            InputError: it exists with another number, or the cluster refuses it.
        """
        library, cluster = self._running()
        known = self._partitions.get(name)
        if known == partitions:
            return
        if known is not None:
            raise InputError(f"topic {name} has {known} partitions, {partitions} are needed")
        code = library.rd_kafka_mock_topic_create(cluster, name.encode(), partitions, 1)
        if code != 0:
            raise InputError(f"topic {name}: the mock broker refuses it: {library.rd_kafka_err2str(code).decode()}")
        self._partitions[name] = partitions

    def stop(self) -> None:
        """End it; all records are gone. Harmless when repeated."""
        if self._library is not None:
            if self._cluster:
                self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            if self._handle:
                self._library.rd_kafka_destroy(self._handle)
        self._cluster = self._handle = None
        self._partitions.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> tuple[ctypes.CDLL, int]:
        if self._library is None or self._cluster is None:
            raise RuntimeError("the mock broker does not run")
        return self._library, self._cluster


def _load() -> ctypes.CDLL:
    """The wheel's own copy of librdkafka, with the types of the functions used here."""
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise UnavailableError("the mock broker needs confluent-kafka, which the extra `local` brings")
    package = Path(spec.origin).parent
    # Where auditwheel (Linux) and delocate (macOS) put a wheel's libraries.
    places = [package.with_name("confluent_kafka.libs").glob("librdkafka*.so*"), package.glob(".dylibs/librdkafka*")]
    path = next((file for place in places for file in sorted(place)), None)
    if path is None:
        raise UnavailableError("the mock broker needs confluent-kafka installed from a wheel: it has no librdkafka")
    pointer, text, number, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
    functions = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, size]),
        "rd_kafka_new": (pointer, [number, pointer, text, size]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_err2str": (text, [number]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
    }
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in functions.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise UnavailableError(f"the mock broker needs another version of confluent-kafka: {error}") from error
    return library
