"""`sluice lexicon compile`: a lexicon as one file."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path

import click

from sluice.cli.lexicon.given import path_argument, refuse, survey
from sluice.errors import LexiconError
from sluice.lexicon.bundle import encode_bundle, version_of
from sluice.lexicon.conflicts import find_conflicts
from sluice.text.visible import visible

__all__ = ["compile_command"]


@click.command("compile", short_help="Write a lexicon as one file.")
@path_argument
@click.option("-o", "--output", "output", required=True, type=click.Path(path_type=Path), help="The bundle to write.")
def compile_command(path: Path | None, output: Path) -> None:
    """Write the lexicon at PATH as one file, a bundle, and its checksum beside it as FILE.sha256.

    A lexicon in which `check` finds an error is refused. The bundle is the same for the same content.
    """
    _, reading = survey(path)
    refuse([*reading.problems, *find_conflicts(reading, date.today())])
    data = encode_bundle(reading.content)
    digest = hashlib.sha256(data).hexdigest()
    _replace(output, data)  # says when this is no name of a file
    _replace(output.with_name(f"{output.name}.sha256"), f"{digest}  {output.name}\n".encode("utf-8", "surrogateescape"))
    version = version_of(reading.content)
    click.echo(visible(f"{output}: version {version}, {len(reading.content.terms)} terms, {len(data)} bytes"))
    click.echo(f"SHA-256 {digest}")


def _replace(file: Path, data: bytes) -> None:
    """Write a file so that its readers find the old one or the new one, never a part.

    Raises:
        LexiconError: it cannot be written.
    """
    try:
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise ValueError("it is there already, and no plain file")  # a device would be gone for everyone
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            with part.open("xb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LexiconError(visible(f"{file}: cannot be written: {reason}")) from None
