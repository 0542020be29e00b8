"""Bringing Kafka: once, by several processes at a time, and again when it is damaged."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sluice.errors import UnavailableError
from sluice.local import jars

MAVEN = """#!/bin/sh
for word in "$@"; do case $word in -DoutputDirectory=*) out=${word#*=};; esac; done
case $1 in --version) echo Apache Maven 3.9.0; exit;; esac
echo ran >> %(here)s/runs
[ -e %(here)s/refuse ] && { echo "[ERROR] no route to the registry"; exit 1; }
mkdir -p "$out"; cp %(here)s/kafka.jar "$out/kafka.jar"; sleep 0.3
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Maven that copies one jar; its folder holds what it did."""
    here = tmp_path / "maven"
    here.mkdir()
    with zipfile.ZipFile(here / "kafka.jar", "w") as jar:
        jar.writestr("kafka/Kafka.class", "x" * 100)
    (here / "mvn").write_text(MAVEN % {"here": here})
    (here / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{here}:/usr/bin:/bin")
    return here


def runs(maven: Path) -> int:
    return len((maven / "runs").read_text().split())


def test_brought_once(maven: Path, tmp_path: Path) -> None:
    lib = jars.provide(tmp_path)
    assert lib == tmp_path / "kafka" / "lib"
    assert (lib / "kafka.jar").is_file()
    assert jars.provide(tmp_path) == lib
    assert runs(maven) == 1
    assert sorted(file.name for file in lib.parent.iterdir()) == ["lib", "lib.lock"]


@pytest.mark.parametrize("damage", ["cut", "lost", "changed", "half", "more"])
def test_damage_is_repaired(maven: Path, tmp_path: Path, damage: str) -> None:
    jar = jars.provide(tmp_path) / "kafka.jar"
    whole = jar.read_bytes()
    if damage == "cut":
        jar.write_bytes(whole[:-10])
    elif damage == "lost":
        jar.unlink()
    elif damage == "changed":
        jar.write_bytes(whole[:60] + b"?" + whole[61:])
    elif damage == "half":
        (jar.parent / "manifest").unlink()
    else:
        (jar.parent / "older.jar").write_bytes(whole)
    assert (jars.provide(tmp_path) / "kafka.jar").read_bytes() == whole
    assert not (jar.parent / "older.jar").exists()
    assert runs(maven) == 2


def test_several_processes_at_once_bring_it_once(maven: Path, tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from sluice.local import jars; jars.provide(Path(sys.argv[1]))"
    several = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in several] == [0, 0, 0, 0]
    assert runs(maven) == 1


def test_maven_that_fails_is_quoted(maven: Path, tmp_path: Path) -> None:
    (maven / "refuse").touch()
    with pytest.raises(UnavailableError, match=r"(?s)could not bring Apache Kafka.*no route to the registry"):
        jars.provide(tmp_path)
    assert [file.name for file in (tmp_path / "kafka").iterdir()] == ["lib.lock"]


def test_a_damaged_jar_from_maven_is_refused(maven: Path, tmp_path: Path) -> None:
    (maven / "kafka.jar").write_bytes((maven / "kafka.jar").read_bytes()[:-10])
    with pytest.raises(UnavailableError, match=r"kafka\.jar is damaged"):
        jars.provide(tmp_path)


def test_without_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="no `mvn` was found"):
        jars.provide(tmp_path)


def test_the_version_is_the_one_in_the_pom() -> None:
    assert jars.kafka_version() == "4.4.0"
