"""Shows the demo while it runs: a live view in a terminal, plain lines everywhere else."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Protocol

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sluice.demo.screen import HEADER_ROWS, MINIMUM_WIDTH, frame, save_picture
from sluice.demo.show import Show
from sluice.demo.stream import State, StreamRun
from sluice.demo.words import stop_words

__all__ = ["LiveView", "PlainLines", "View", "choose_view"]

_FRAMES_PER_SECOND = 10
_WIDEST = 160
_PICTURE_SHARE = 0.4
"""Share of the streams that have begun by then."""
_PICTURE_STATES: tuple[State, ...] = ("stopped", "streaming")
_PICTURE_ROWS = 8
"""Rows of either kind on the screen that make a picture worth taking."""


class View(Protocol):
    """Where the demo speaks."""

    def say(self, line: str | Text) -> None:
        """Show a line of its own, before or after the show."""

    async def follow(self, show: Show, title: str) -> None:
        """Follow the show until it is cancelled."""


def choose_view(plain: bool, picture: Path | None = None) -> View:
    """The live view where there is a terminal that can show it; `picture` is where one is saved as SVG."""
    console = Console(highlight=False)
    fits = console.width >= MINIMUM_WIDTH and console.height > 2 * HEADER_ROWS
    if plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb" or not fits:
        return PlainLines(picture)
    return LiveView(console, picture)


class LiveView:
    """The screen, drawn some times a second."""

    def __init__(self, console: Console, picture: Path | None = None) -> None:
        self._console = console
        self._camera = _Camera(picture)

    def say(self, line: str | Text) -> None:
        # An f-string may hold what rich takes for markup.
        self._console.print(line if isinstance(line, Text) else Text(line))

    async def follow(self, show: Show, title: str) -> None:
        console = self._console

        def draw() -> None:
            # One row less: the cursor stands below the last one.
            live.update(frame(show, title, min(console.width, _WIDEST), console.height - 1), refresh=True)

        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            try:
                while True:
                    draw()
                    self._camera.look(show, title)
                    await asyncio.sleep(1 / _FRAMES_PER_SECOND)
            finally:
                draw()


class PlainLines:
    """One line for each event, without any escape codes."""

    def __init__(self, picture: Path | None = None) -> None:
        self._camera = _Camera(picture)

    def say(self, line: str | Text) -> None:
        click.echo(line.plain if isinstance(line, Text) else line)

    async def follow(self, show: Show, title: str) -> None:
        self.say(title)
        show.on_begin = lambda run: self._line(show, "start", run, f"profile {run.script.profile}")
        show.on_end = lambda run: self._line(show, *_end(run))
        while True:
            self._camera.look(show, title)
            await asyncio.sleep(1 / _FRAMES_PER_SECOND)

    def _line(self, show: Show, event: str, run: StreamRun, words: str) -> None:
        self.say(f"{show.elapsed:6.2f} s  {event:<9} {run.id:<14} {words}")


def _end(run: StreamRun) -> tuple[str, StreamRun, str]:
    shown = sum(map(len, run.shown.values()))
    if run.state == "released":
        return "released", run, f"{shown} characters"
    if run.state != "stopped":
        return "undecided", run, f"{shown} characters shown"
    tokens = f"{run.tokens_after} token{'' if run.tokens_after == 1 else 's'} decoded after it"
    support = ["crisis answer given"] if run.supported else []
    return "STOP", run, ", ".join([*stop_words(run), tokens, f"{run.leaked} characters leaked", *support])


class _Camera:
    """Takes one picture, near the middle of the show and when there is something to see."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def look(self, show: Show, title: str) -> None:
        states = [run.state for run in show.rows]
        if (
            self._path is None
            or show.begun < 0.4
            or min(states.count(state) for state in _PICTURE_STATES) < _PICTURE_ROWS
        ):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        save_picture(show, title, self._path)
        self._path = None
