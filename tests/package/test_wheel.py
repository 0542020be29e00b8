"""The wheel, built and installed into an empty environment, works by itself: shipped lexicon and model included."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=280, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_wheel_checks_texts_in_an_empty_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(*pip, "--require-hashes", "-r", ROOT / "requirements" / "run.txt", cwd=tmp_path)
    run(*pip, "--no-deps", wheel, cwd=tmp_path)

    sluice = tmp_path / "empty" / "bin" / "sluice"
    lines = run(sluice, "check", "--json", "今天天气很好。", "有冰毒现货，加我详谈", cwd=tmp_path).splitlines()
    clean, stopped = map(json.loads, lines)
    assert (clean["action"], stopped["action"]) == ("release", "stop")
    assert clean["versions"]["model"] and clean["versions"]["lexicon"] and clean["scores"]
    assert "default" in run(sluice, "policy", "list", cwd=tmp_path)
    where = run(python, "-c", "import sluice; print(sluice.__file__)", cwd=tmp_path)
    assert str(tmp_path) in where
    packages = run(python, "-m", "pip", "list", cwd=tmp_path).lower()
    assert "torch" not in packages and "transformers" not in packages
