"""Asks a Kafka broker whether it is up, with one plain request and no client library."""

from __future__ import annotations

import socket
import struct

__all__ = ["cluster_of"]

# Metadata, version 2: api key, version, correlation id, no client id; an empty list of topics.
_REQUEST = struct.pack(">hhihi", 3, 2, 1, -1, 0)
_MAX_ANSWER = 1 << 20


def cluster_of(host: str, port: int, seconds: float = 2.0) -> str | None:
    """Id of the cluster that answers there, or None when it has no broker ready for clients yet.

    A broker opens its port before it serves; only one that is listed in its own answer does.

    Raises:
        OSError: nothing answers there within `seconds`, or what answers is no Kafka broker without encryption.
    """
    with socket.create_connection((host, port), timeout=seconds) as connection:
        connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
        (size,) = struct.unpack(">i", _read(connection, 4))
        if not 0 < size <= _MAX_ANSWER:
            raise ConnectionError(f"{host}:{port} is no Kafka broker")
        answer = _read(connection, size)
    try:
        return _parse(answer)
    except (struct.error, UnicodeDecodeError):
        raise ConnectionError(f"{host}:{port} is no Kafka broker") from None


def _parse(answer: bytes) -> str | None:
    _correlation, brokers = struct.unpack_from(">ii", answer)
    at = 8
    for _ in range(brokers):
        _host, at = _string(answer, at + 4)  # after the node id
        _rack, at = _string(answer, at + 4)  # after the port
    cluster, _at = _string(answer, at)
    return cluster if brokers else None


def _string(data: bytes, at: int) -> tuple[str, int]:
    """The string that starts at `at`, a null one as empty, and where it ends."""
    (size,) = struct.unpack_from(">h", data, at)
    end = at + 2 + max(0, size)
    return data[at + 2 : end].decode(), end


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("connection closed")
        data += part
    return data
