"""What is missing or too old is named, with the way to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import UnavailableError
from sluice.local.java import find_java, find_maven


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def script(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    path.chmod(0o755)
    return path


def test_nothing_there(programs: Path) -> None:
    with pytest.raises(UnavailableError, match=r"(?s)no `java` was found.*apt-get install.*brew install"):
        find_java()
    with pytest.raises(UnavailableError, match=r"(?s)no `mvn` was found.*apt-get install.*brew install"):
        find_maven()


@pytest.mark.parametrize(("says", "found"), [('version "1.8.0_392"', "8"), ('version "11.0.2" 2019', "11")])
def test_java_too_old(programs: Path, says: str, found: str) -> None:
    script(programs / "java", f"openjdk {says}")
    with pytest.raises(UnavailableError, match=rf"java is Java {found}\."):
        find_java()


@pytest.mark.parametrize("says", ['version "17.0.15" 2025-04-15', 'version "21-ea" 2023', 'version "25"'])
def test_java_new_enough(programs: Path, says: str) -> None:
    java = script(programs / "java", f"openjdk {says}")
    assert find_java() == str(java)


def test_java_that_does_not_run(programs: Path) -> None:
    script(programs / "java", "Unable to locate a Java Runtime.")
    with pytest.raises(UnavailableError, match="does not tell its version"):
        find_java()


def test_java_home_goes_first(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(programs / "java", 'version "11.0.2"')
    newer = script(programs / "home" / "bin" / "java", 'version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(programs / "home"))
    assert find_java() == str(newer)


def test_maven_versions(programs: Path) -> None:
    script(programs / "mvn", "\033[1mApache Maven 3.5.4\033[m")
    with pytest.raises(UnavailableError, match=r"3\.6\.3 or newer is needed; .* is 3\.5\.4"):
        find_maven()
    newer = script(programs / "mvn", "\033[1mApache Maven 3.8.7\033[m")
    assert find_maven() == str(newer)
    script(programs / "mvn", "JAVA_HOME is not set")
    with pytest.raises(UnavailableError, match="does not tell its version"):
        find_maven()
