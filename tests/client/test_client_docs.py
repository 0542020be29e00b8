"""Every program in docs/sdk.md runs as it stands."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from decider import Decider
from place import PARTITIONS

from sluice.contract import Topics
from sluice.local import MockBroker, create_topics

TEXT = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
EXPECTED = ["The weather is fine today.", "", "order: stop_generation", "'All is well. '", "b stopped: finding"]


@pytest.mark.parametrize(("number", "expected"), list(enumerate(EXPECTED)))
async def test_a_program_of_the_page_runs(
    number: int, expected: str, mock_kafka: MockBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(PROGRAMS) == len(EXPECTED)
    await create_topics(mock_kafka, Topics(), PARTITIONS)
    names: dict[str, Any] = {}
    exec(compile(PROGRAMS[number], f"docs/sdk.md, program {number + 1}", "exec"), names)
    async with Decider(mock_kafka.bootstrap, Topics()), asyncio.timeout(30):
        await names["main"](mock_kafka.bootstrap)
    assert expected in capsys.readouterr().out.replace("\n", "")


def test_the_page_names_every_option_with_its_default() -> None:
    for known in ("`linger_ms` | 5 ms", "`timeout_s` | 30 s", "`max_held_chars` | 8,000,000"):
        assert known in TEXT
