"""`sluice worker` and `sluice workers` with settings that cannot work."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def test_wrong_settings_end_at_once_with_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text("term\trisk\tseverity\n毒\tA.1.h\t9\n")
    command = [sys.executable, "-m", "sluice"]
    result = subprocess.run(
        [*command, "worker", "--lexicon", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 78
    assert "bad.tsv:2: " in result.stderr and "Traceback" not in result.stderr

    began = time.monotonic()
    result = subprocess.run(
        [*command, "workers", "--count", "2", "--lexicon", str(tmp_path), "--logs", str(tmp_path / "logs")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1 and "bad.tsv:2: " in result.stderr
    assert "in a row" not in result.stderr, "it was not tried again and again"
    assert time.monotonic() - began < 50
