"""The report at the end of a run, and when it fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = """
[pytest]
testpaths = tests
markers =
    kafka: on the real broker
"""
PASSING = "import pytest\n@pytest.mark.kafka\n@pytest.mark.parametrize('n', [1, 2])\ndef test_it(n): pass\n"
SKIPPED = "import pytest\n@pytest.mark.kafka\n@pytest.mark.skip\ndef test_other(): pass\n"
BROKEN = (
    "import pytest\n@pytest.fixture\ndef kafka(): raise OSError('did not start')\n"
    "@pytest.mark.kafka\ndef test_third(kafka): pass\n"
)
PLAIN = "def test_plain(): pass\n"


@pytest.mark.parametrize(
    ("files", "options", "status", "lines"),
    [
        ([PASSING, PLAIN], [], 0, ["2 tests ran on Apache Kafka 4.4"]),
        ([PASSING, SKIPPED], [], 1, ["1 tests for the real broker were skipped", "2 tests ran on Apache Kafka 4.4"]),
        ([PASSING, BROKEN], [], 1, ["did not start", "2 tests ran on Apache Kafka 4.4"]),
        ([PLAIN], [], 1, ["no test ran on the real broker", "0 tests ran on Apache Kafka 4.4"]),
        ([PASSING, PLAIN], ["-k", "plain"], 0, ["1 passed"]),
        ([PLAIN], ["tests"], 0, ["1 passed"]),
    ],
    ids=["ran", "skipped", "no-broker", "none", "chosen", "named"],
)
def test_report(tmp_path: Path, files: list[str], options: list[str], status: int, lines: list[str]) -> None:
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "tests").mkdir()
    for number, content in enumerate(files):
        (tmp_path / "tests" / f"test_{number}.py").write_text(content)
    paths = f"{Path(__file__).parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "support.broker_report", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout
    for line in lines:
        assert line in done.stdout
    # The runner's own line stays the last one.
    assert " in " in done.stdout.splitlines()[-1]
