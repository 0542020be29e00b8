"""The environment with torch: made once for a user, and not for each checkout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "models" / "environment.py"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", FILE)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_it_is_made_once_and_named_after_what_is_in_it(module: ModuleType, tmp_path: Path) -> None:
    lock, cache = tmp_path / "lock.txt", tmp_path / "cache"
    lock.write_text("# nothing\n", encoding="utf-8")
    python = module.environment(lock, cache)
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    made = (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns
    lock.write_text("# another comment\n", encoding="utf-8")
    assert module.environment(lock, cache) == python
    assert (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns == made
    assert [path.name for path in cache.iterdir()] == [python.parents[1].name]


def test_one_that_cannot_be_made_leaves_nothing(module: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("./nowhere\n", encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        module.environment(lock, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_nobody_used_for_long_goes(module: ModuleType, tmp_path: Path) -> None:
    old, fresh, used = (tmp_path / f"train-{name}" for name in ("old", "fresh", "used"))
    for folder in (old, fresh, used):
        folder.mkdir()
        (folder / module.READY).touch()
    long_ago = time.time() - (module.UNUSED_DAYS + 1) * 86_400
    for folder in (old, used):
        os.utime(folder / module.READY, (long_ago, long_ago))
    module._remove_unused(tmp_path, used)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train-fresh", "train-used"]


def test_it_lies_where_caches_lie(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert module.cache_folder() == tmp_path / "sluice"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert module.cache_folder() == Path.home() / ".cache" / "sluice"
