"""What is shown: 100 columns, whatever the texts hold, and no escape codes without a terminal."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from demo_runs import CLEAN, CRISIS, DRUGS, SCRIPTS, order, released, run_of, stopped, summary_of
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from sluice.demo.closing import closing
from sluice.demo.present import LiveView, PlainLines, choose_view
from sluice.demo.screen import HEADER_ROWS, frame, save_picture
from sluice.demo.show import ROWS, Show
from sluice.demo.stream import StreamRun
from sluice.demo.words import clean, clip, tail

TEXTS = st.text(
    st.one_of(st.sampled_from("ab 你好。\x1b\x07\n\u200b\u0301😀"), st.characters(codec="utf-8")), max_size=60
)


async def shown(*runs: StreamRun) -> Show:
    show = Show(list(SCRIPTS.values()), 40, 1)
    show.began_at = asyncio.get_running_loop().time()
    show.runs.extend(runs)
    show.rows.extend(runs)
    return show


def printed(show: Show, width: int, height: int, **options: object) -> list[str]:
    console = Console(width=width, file=io.StringIO(), **options)  # type: ignore[arg-type]
    console.print(frame(show, "a title 标题" * 20, width, height))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(output, str)
    return output.splitlines()


@given(TEXTS, st.integers(0, 30))
def test_a_tail_is_the_end_and_fits(text: str, width: int) -> None:
    end = tail(text, width)
    assert clean(text).endswith(end)
    assert cell_len(end) <= width
    assert end.isprintable()
    shorter = clean(text)[: -len(end)] if end else clean(text)
    if shorter and len(text) <= 4 * width:
        assert cell_len(shorter[-1] + end) > width  # it is the longest one


@given(TEXTS, st.integers(1, 30))
def test_a_clip_is_the_beginning_and_fits(text: str, width: int) -> None:
    begin = clip(clean(text), width)
    assert cell_len(begin) <= width
    assert clean(text).startswith(begin.removesuffix("…"))


@pytest.mark.parametrize("width", [80, 100, 160])
async def test_every_line_fits_and_says_what_happened(width: int) -> None:
    run = run_of(CLEAN, "streaming", shown={"answer": "汉" * 500 + "\x1b[31m\x07\u200b\n尾"})
    stop = stopped(DRUGS, order(), shown={"answer": dict(DRUGS.channels)["answer"][:60]})
    crisis = stopped(CRISIS, order(risk="A.4.a", source="classifier"), supported=True)
    deadline = stopped(CLEAN, order(reason="deadline", outcome="blocked_unavailable", finding=None))
    show = await shown(run, stop, crisis, deadline, released(CLEAN), run_of(CLEAN, "unsettled"))
    lines = printed(show, width, 40)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) == HEADER_ROWS + 6
    text = "\n".join(lines)
    assert "\x1b" not in text and "\x07" not in text
    assert re.search(r"汉\[31m 尾", text)
    assert re.search(r"STOP A\.1\.h Other.* r-1 +25 ms", text)
    assert re.search(r"STOP A\.4\.a .* classifier:r-1 +25 ms \+support", text)
    assert "blocked_unavailable" in text and "not decided in time" in text and "released" in text


async def test_a_low_terminal_shows_what_fits() -> None:
    show = await shown(*(run_of(CLEAN, "streaming") for _ in range(ROWS)))
    lines = printed(show, 100, 24)
    assert len(lines) == 24
    assert f"… and {ROWS - (24 - HEADER_ROWS) + 1} more" in lines[-1]
    assert len(printed(show, 100, 45)) == HEADER_ROWS + ROWS <= 40


async def test_a_stop_is_red_and_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    show = await shown(stopped(DRUGS, order()))
    monkeypatch.delenv("NO_COLOR", raising=False)
    colored = "\n".join(printed(show, 100, 40, force_terminal=True, color_system="standard"))
    assert "\x1b[1;31m" in colored
    monkeypatch.setenv("NO_COLOR", "1")
    plain = "\n".join(printed(show, 100, 40, force_terminal=True, color_system="standard"))
    assert not re.search(r"\x1b\[[\d;]*\b[39][1-7]m", plain)


async def test_the_live_view_draws_until_it_is_cancelled() -> None:
    console = Console(width=100, height=42, file=io.StringIO(), force_terminal=True)
    show = await shown(stopped(DRUGS, order()), released(CLEAN))
    view = LiveView(console)
    view.say("[bold]not markup[/bold]")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await view.follow(show, "title")
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]not markup[/bold]" in output
    assert output.count("STOP A.1.h") >= 2
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") == 1  # the cursor is back


async def test_plain_lines_have_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    show = await shown()
    view = PlainLines()
    following = asyncio.create_task(view.follow(show, "title"))
    await asyncio.sleep(0)
    show.on_begin(run_of(DRUGS, "streaming"))
    show.on_end(stopped(DRUGS, order(), tokens_after=1))
    show.on_end(released(CLEAN))
    show.on_end(run_of(CLEAN, "unsettled"))
    following.cancel()
    for line in closing(summary_of(released(CLEAN), stopped(CLEAN, order())), Path("build/demo.json")):
        view.say(line)
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert re.search(r"start +drugs-zh.1 +profile default", output)
    assert re.search(r"STOP +drugs-zh.1 +A.1.h, .*, r-1, 25 ms, 1 token decoded after it, 0 characters leaked", output)
    assert re.search(r"released +cook-zh.1 +204 characters", output)
    assert re.search(r"undecided +cook-zh.1", output)
    assert "FAILED: 1 not as expected" in output


async def test_a_picture_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "demo.svg"
    save_picture(await shown(stopped(DRUGS, order())), "title", path)
    assert "STOP&#160;A.1.h" in path.read_text()


def test_without_a_terminal_there_are_plain_lines() -> None:
    assert isinstance(choose_view(False), PlainLines)


@pytest.mark.parametrize(
    ("environment", "options", "view"),
    [
        ({}, "False", "LiveView"),
        ({}, "True", "PlainLines"),
        ({"TERM": "dumb"}, "False", "PlainLines"),
        ({"COLUMNS": "60"}, "False", "PlainLines"),
        ({"NO_COLOR": "1"}, "False", "LiveView"),
    ],
)
def test_the_view_depends_on_the_terminal(environment: dict[str, str], options: str, view: str) -> None:
    ours, theirs = pty.openpty()
    code = (
        f"import sys; from sluice.demo.present import choose_view as c; sys.stderr.write(type(c({options})).__name__)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "42", **environment},
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stderr == view


def test_streams_are_planned_from_the_seed() -> None:
    scripts = list(SCRIPTS.values())
    plans = [Show(scripts, 100, seed)._plan for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    assert len(plans[0]) == 100
    assert len({stream_id for stream_id, _ in plans[0]}) == 100
    assert {script.id for _, script in list(plans[0])[: len(scripts)]} == set(SCRIPTS)
