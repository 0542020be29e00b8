"""Free ports on this machine."""

from __future__ import annotations

import random
import socket

__all__ = ["free_ports"]

# Below the range that systems hand out to outgoing connections (Linux from 32768, macOS from 49152). A broker
# that is down for a moment would otherwise lose its port to one of the clients that try to reach it again.
_FIRST, _LAST = 20000, 32767


def free_ports(count: int) -> list[int]:
    """Distinct ports on 127.0.0.1 that nothing listens on at this moment; they are not reserved."""
    found: list[int] = []
    for port in random.sample(range(_FIRST, _LAST + 1), _LAST - _FIRST + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT can be used
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports between {_FIRST} and {_LAST}")
