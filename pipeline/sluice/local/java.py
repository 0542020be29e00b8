"""Finds Java and Maven, and says how to get them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from sluice.errors import UnavailableError

__all__ = ["find_java", "find_maven"]

JAVA_MINIMUM = 17
"""Oldest Java that runs Kafka 4's broker."""
MAVEN_MINIMUM = (3, 6, 3)
"""Oldest Maven that runs the dependency plugin named in deploy/kafka/pom.xml."""

_HOW = """\
  Debian, Ubuntu:  sudo apt-get install openjdk-17-jre-headless maven
  macOS:           brew install openjdk@17 maven"""


def find_java() -> str:
    """Path of a `java` that can run the broker: from JAVA_HOME, else from PATH. Takes about 0.1 s.

    Raises:
        UnavailableError: there is none, or it is too old; says what was found and how to get one.
    """
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(str(Path(home) / "bin" / "java")) if home else None
    path = path or shutil.which("java")
    if path is None:
        raise UnavailableError(f"Java {JAVA_MINIMUM} or newer is needed; no `java` was found.\n{_HOW}")
    # "17.0.15", "21-ea", and "1.8.0_392" up to Java 8.
    found = re.search(r'version "(?:1\.)?(\d+)', _version_of(path, "-version"))
    if found is None:
        raise UnavailableError(f"Java {JAVA_MINIMUM} or newer is needed; {path} does not tell its version.\n{_HOW}")
    if int(found[1]) < JAVA_MINIMUM:
        raise UnavailableError(f"Java {JAVA_MINIMUM} or newer is needed; {path} is Java {found[1]}.\n{_HOW}")
    return path


def find_maven() -> str:
    """Path of an `mvn` that can fetch the broker. Takes about 0.3 s.

    Raises:
        UnavailableError: there is none, or it is too old; says what was found and how to get one.
    """
    wanted = ".".join(map(str, MAVEN_MINIMUM))
    path = shutil.which("mvn")
    if path is None:
        raise UnavailableError(f"Maven {wanted} or newer is needed; no `mvn` was found.\n{_HOW}")
    found = re.search(r"Apache Maven (\d+)\.(\d+)\.(\d+)", _version_of(path, "--version"))
    if found is None:
        raise UnavailableError(f"Maven {wanted} or newer is needed; {path} does not tell its version.\n{_HOW}")
    if (int(found[1]), int(found[2]), int(found[3])) < MAVEN_MINIMUM:
        raise UnavailableError(f"Maven {wanted} or newer is needed; {path} is {'.'.join(found.groups())}.\n{_HOW}")
    return path


def _version_of(program: str, option: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [program, option], capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout + done.stderr
