"""A progress bar over files that are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["FileProgress"]

_SHOWN_FROM = 200_000
"""Bytes of all files together, from which on there is a bar."""


class FileProgress:
    """A bar on standard error, where it is a terminal, the results are not, and there is much to read."""

    def __init__(self, names: Iterable[str], doing: str) -> None:
        """What is no file among the names does not count."""
        sizes = [os.path.getsize(n) for n in names if len(n) < 4_096 and "\0" not in n and os.path.isfile(n)]
        self._total = sum(sizes)
        self._doing = doing
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> FileProgress:
        if self._total >= _SHOWN_FROM and sys.stderr.isatty() and not sys.stdout.isatty():
            self.show()
        return self

    def show(self) -> None:
        """Show it, whatever standard output is."""
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self._doing, total=self._total)

    def advance(self, size: int) -> None:
        """So many more bytes are read."""
        if self._bar is not None:
            self._bar.advance(self._task, size)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
