"""Brings Apache Kafka's jars by Maven, once, and knows whether they are whole."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.errors import UnavailableError
from sluice.local.java import find_java, find_maven

__all__ = ["available", "kafka_version", "provide"]

_MANIFEST = "manifest"
_MAVEN_SECONDS = 600  # a slow line; the jars are 43 MB and take 5 s on a good one
_LOCK_SECONDS = 660  # another process may be downloading just now


def kafka_version() -> str:
    """The version that `pom.xml` names, e.g. `4.4.0`."""
    found = re.search(r"<kafka\.version>(.+?)</kafka\.version>", _pom().read_text("utf-8"))
    if found is None:
        raise UnavailableError(f"{_pom()} names no kafka.version")
    return found[1]


def provide(root: Path) -> Path:
    """Folder with the broker's jars below `root`; downloads them when they are missing or damaged.

    Blocks: 0.1 s when they are there, else as long as the download takes. Safe when several processes do it at once.

    Raises:
        UnavailableError: Maven is missing or too old, or could not bring them; shows what it said.
    """
    lib = _lib(root)
    lib.parent.mkdir(parents=True, exist_ok=True)
    with _locked(lib.with_suffix(".lock")):
        if not _whole(lib):
            _download(lib)
    return lib


def available(root: Path) -> None:
    """Check that `provide` can do its work and that there is a Java to run what it brings. Downloads nothing.

    Raises:
        UnavailableError: says what is missing or too old, and how to get it.
    """
    find_java()
    if not _whole(_lib(root)):
        find_maven()


def _lib(root: Path) -> Path:
    return root.resolve() / "kafka" / "lib"


def _pom() -> Path:
    """Shipped inside the wheel; in a checkout, where it is kept."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_shipped" / "kafka" / "pom.xml"
    return shipped if shipped.is_file() else package.parents[1] / "deploy" / "kafka" / "pom.xml"


def _download(lib: Path) -> None:
    maven = find_maven()
    # Beside the final place, so that the finished folder can be put there in one step.
    with tempfile.TemporaryDirectory(prefix="lib-", dir=lib.parent) as scratch:
        new = Path(scratch) / "lib"
        command = [maven, "-B", "-q", "-f", str(_pom()), "dependency:copy-dependencies", f"-DoutputDirectory={new}"]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_MAVEN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"Maven did not bring Apache Kafka within {_MAVEN_SECONDS} s") from None
        if done.returncode != 0:
            said = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-15:])
            raise UnavailableError(f"Maven could not bring Apache Kafka; its last lines:\n{said}")
        for jar in sorted(new.glob("*.jar")):
            if not _readable(jar):
                # Copied from Maven's own store: bringing it again would copy the same damage.
                raise UnavailableError(f"Maven's copy of {jar.name} is damaged; remove it from ~/.m2/repository")
        (new / _MANIFEST).write_text(_manifest(new), "utf-8")
        shutil.rmtree(lib, ignore_errors=True)
        new.rename(lib)


def _whole(lib: Path) -> bool:
    """Whether `lib` holds just what was brought for the present pom.xml. Reads all of it (about 0.05 s)."""
    try:
        return (lib / _MANIFEST).read_text("utf-8") == _manifest(lib)
    except (OSError, UnicodeDecodeError):
        return False


def _manifest(lib: Path) -> str:
    files = [_pom(), *sorted(lib.glob("*.jar"))]
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def _readable(jar: Path) -> bool:
    try:
        with zipfile.ZipFile(jar) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system frees it when the holder dies."""
    deadline = time.monotonic() + _LOCK_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UnavailableError(f"another process has held {path} for {_LOCK_SECONDS} s") from None
                time.sleep(0.1)
        yield
