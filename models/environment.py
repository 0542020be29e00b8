"""The environment that training, export and their tests run in: made once for a user, shared by all checkouts.

Torch and what it needs take 5 GB and a minute or more to install, so the environment does not lie in a checkout: it is
`sluice/train-<key>` in the user's cache folder, where the key stands for the lock file and the interpreter. It is made
under another name and appears when it is whole, so two checkouts that make it at once do each other no harm.
Environments of older lock files are removed when nobody has used them for a month.

Prints the path of its interpreter: `"$(python models/environment.py)" models/train.py …`
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements" / "train.txt"
READY = ".ready"
"""Touched at each use."""
UNUSED_DAYS = 30


def cache_folder() -> Path:
    """Where environments lie, as the XDG specification has it."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "sluice"


def environment(lock: Path, cache: Path) -> Path:
    """The interpreter of the environment that a lock file describes, which is made where it is not there."""
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    key = hashlib.sha256("\n".join([*lines, sys.version]).encode()).hexdigest()[:16]
    folder = cache / f"train-{key}"
    if not (folder / READY).exists():
        _make(folder, lock)
        _remove_unused(cache, folder)
    (folder / READY).touch()
    return folder / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    print(f"Installing what training needs into {folder}, once for all checkouts …", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="train-making-", dir=folder.parent))
    try:
        subprocess.run([sys.executable, "-m", "venv", made], check=True, stdout=sys.stderr)
        pip = [made / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        locked = ["--require-hashes", "--only-binary", ":all:", "-r", lock]
        subprocess.run([*pip, *locked], check=True, stdout=sys.stderr)
        (made / READY).touch()
        try:
            made.rename(folder)  # what is called by `bin/python -m` does not mind
        except OSError:
            if not (folder / READY).exists():  # else another checkout was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _remove_unused(cache: Path, used: Path) -> None:
    """Remove what is of no use any more: old environments, and what an installation that was killed has left."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for folder in cache.glob("train-*"):
        last = folder / READY if (folder / READY).exists() else folder
        if folder != used and last.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        print(environment(LOCK, cache_folder()))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
