"""Kills what a process started, once that process is gone. Run as a script by `sluice.local.children`.

It reads `+GROUP` and `-GROUP` lines on standard input. The other end is held by the process that starts
children: when that one ends, in whatever way, the system closes the pipe, and what is still registered is killed.

A process of its own, and not Linux's PR_SET_PDEATHSIG: that one does not exist elsewhere, reaches only the direct
child, and fires when the *thread* that started the child ends, which kills healthy children of a thread pool.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Follow the groups until the pipe closes, then kill those that are left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line)
        if group > 0:
            groups.add(group)
        else:
            groups.discard(-group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
