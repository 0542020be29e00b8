"""The live view: one row a stream, what its reader sees, and what became of it."""

from __future__ import annotations

import io
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, Group
from rich.text import Text

from sluice.demo.measure import percentiles
from sluice.demo.show import Show
from sluice.demo.stream import StreamRun
from sluice.demo.words import clip, stop_words, tail

__all__ = ["HEADER_ROWS", "MINIMUM_WIDTH", "frame", "save_picture"]

HEADER_ROWS = 5
MINIMUM_WIDTH = 80

_ID = 13
_PROFILE = 8
_STOP = 60
"""Columns of what a stop says, at most; the end of the released text has the rest."""
_SHOWN = 10
"""Columns of released text, at least."""


def frame(show: Show, title: str, width: int, height: int) -> Group:
    """The whole screen at this moment, in at most so many columns and rows."""
    fitting = max(1, height - HEADER_ROWS)
    hidden = len(show.rows) - fitting
    rows = show.rows[: fitting - 1] if hidden > 0 else show.rows
    lines = [*_header(show, title, width), *(_row(run, width) for run in rows)]
    if hidden > 0:
        lines.append(Text(f"… and {hidden + 1} more rows; this terminal is too low for them", style="dim"))
    return Group(*lines)


def save_picture(show: Show, title: str, path: Path, width: int = 100) -> None:
    """Write the screen at this moment as SVG."""
    # Wider than its text: not every viewer keeps to the widths that the file names.
    console = Console(record=True, width=width + 2, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(frame(show, title, width, HEADER_ROWS + len(show.rows)))
    console.save_svg(str(path), title="make run")


def _header(show: Show, title: str, width: int) -> list[Text]:
    states = [run.state for run in show.runs]
    meter = show.meter
    decision, stop = percentiles(meter.decision_ms[-5000:]), percentiles(_stop_times(show))
    clock = f"{show.elapsed:.1f} s"
    first = Text(clip(title, width - len(clock) - 2), style="bold")
    first.append(" " * (width - cell_len(first.plain) - len(clock)) + clock)
    # Spaces stand at the ends of what is styled alike: some viewers of the picture drop them at its beginning.
    second = Text()
    second.append(f"streaming {states.count('streaming'):<4}", style="cyan")
    second.append(f"released {states.count('released'):<5}", style="green")
    second.append(f"stopped {states.count('stopped'):<5}", style="bold red")
    second.append(f"flagged {meter.kinds['flag']:<4}", style="yellow")
    second.append(f"{show.rate():,.0f} deltas/s   {meter.kinds.total():,} decisions")
    third = Text("publish to decision ")
    third.append(f"p50 {_ms(decision.p50)}  p99 {_ms(decision.p99)}   ", style="bold")
    third.append("to stop ")
    third.append(f"p50 {_ms(stop.p50)}  p99 {_ms(stop.p99)}   ", style="bold")
    leaked = sum(run.leaked for run in show.runs)
    third.append("leaked ")
    third.append(f"{leaked} characters", style="bold red" if leaked else "bold green")
    names = Text(f"{'stream':<{_ID}} {'profile':<{_PROFILE}} released to the reader", style="dim")
    return [_fit(line, width) for line in (first, second, third, names, Text("─" * width, style="dim"))]


def _row(run: StreamRun, width: int) -> Text:
    room = width - _ID - _PROFILE - 2
    state = _state(run, min(_STOP, room - _SHOWN))
    room -= cell_len(state.plain)
    shown = tail(run.shown[run.channel], room - 2)
    line = Text(f"{clip(run.id, _ID):<{_ID}} ")
    line.append(f"{clip(run.script.profile, _PROFILE):<{_PROFILE}} ", style="dim")
    line.append(shown, style="italic dim" if run.channel != "answer" else "")
    line.append(" " * (room - cell_len(shown)))
    line.append_text(state)
    return _fit(line, width)


def _state(run: StreamRun, width: int) -> Text:
    if run.state == "released":
        return Text("released", style="green")
    if run.state == "unsettled":
        return Text("not decided in time", style="bold yellow")
    if run.state == "streaming" or run.order is None:
        return Text("", style="cyan")
    risk, name, rule, delay = stop_words(run)
    support = " +support" if run.supported else ""
    end = f" {rule} {delay:>7}{support}"
    name = clip(f"STOP {risk} {name}", max(1, width - cell_len(end)))
    return Text(name + end, style="bold red")


def _stop_times(show: Show) -> list[float]:
    return [run.stop_ms for run in show.runs if run.stop_ms is not None]


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"


def _fit(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(width, overflow="crop")
    return line
