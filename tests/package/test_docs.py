"""What the documents say is so: their commands run, their examples work, their links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice import ModerationClient
from sluice.local import KafkaBroker
from support.installation import Install

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text()


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1", **more}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [t for t in targets if not (document.parent / t).exists()] == []


def test_the_readmes_console_shows_what_really_comes_out() -> None:
    (console,) = blocks(README, "console")
    for example in console.strip().split("$ ")[1:]:
        command, _, expected = example.partition("\n")
        result = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=60, env=environment(), cwd=ROOT
        )
        assert result.stdout.strip() == expected.strip(), result.stderr


def test_the_readmes_make_targets_exist() -> None:
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)):
        result = subprocess.run(["make", "-n", target, "DATA=x"], capture_output=True, text=True, cwd=ROOT)
        assert result.returncode == 0, target


def test_the_readmes_whole_text_example() -> None:
    exec(compile(blocks(README, "python")[0], "README.md", "exec"), {})


def service_commands() -> str:
    (script,) = [b for b in blocks(README, "sh") if "sluice workers" in b]
    return script


@pytest.mark.kafka
@pytest.mark.slow
def test_the_readmes_service_commands(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    script = service_commands().replace("sluice workers", f"sluice workers --logs {tmp_path}")
    result = subprocess.run(
        ["bash", "-euc", f"{script}\nwait"],
        capture_output=True,
        text=True,
        timeout=150,
        env=environment(KAFKA_BOOTSTRAP_SERVERS=own_kafka.bootstrap),
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "-- complete" in result.stdout and "-- stopped: " in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.kafka
@pytest.mark.slow
async def test_the_readmes_sdk_example(own_kafka: KafkaBroker, install: Install) -> None:
    await install(own_kafka, workers=1, prefix="")
    example: dict[str, Any] = {}
    exec(compile(blocks(README, "python")[1], "README.md", "exec"), example)
    async with ModerationClient(own_kafka.bootstrap, "readme") as client:
        assert await example["answer"](client, ["今天", "天气", "很好。"]) == "今天天气很好。"
        stopped = await example["answer"](client, ["有冰", "毒现", "货，", "加我"] * 3)
        assert stopped == "stopped: finding"
