"""`sluice models list`: the models at hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from sluice import shipped
from sluice.classifier.manifest import MANIFEST_FILE, read_manifest
from sluice.cli.models.described import heads, kind_of, size, size_of
from sluice.cli.terminal import print_json
from sluice.errors import InputError, ModelError
from sluice.text.visible import visible

__all__ = ["list_command"]


@click.command("list", short_help="List the models at hand.")
@click.argument("folders", nargs=-1, metavar="[DIR]...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
def list_command(folders: tuple[Path, ...], as_json: bool) -> None:
    """List the shipped model, and those in each DIR: itself a model directory, or a folder of some.

    Reads manifests only; `check` looks at the rest. Exit code 1 if a manifest cannot be read.
    """
    rows = [_row(directory) for directory in (shipped.model_directory(), *_found(folders))]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        _show(rows)
    if any("problem" in row for row in rows):
        sys.exit(1)


def _found(folders: tuple[Path, ...]) -> list[Path]:
    directories = []
    for folder in folders:
        try:
            if (folder / MANIFEST_FILE).exists():
                directories.append(folder)
                continue
            inside = sorted(path for path in folder.iterdir() if (path / MANIFEST_FILE).exists())
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror}") from error
        directories += inside
    return directories


def _row(directory: Path) -> dict[str, Any]:
    try:
        manifest, digest = read_manifest(directory)
        count = size_of(directory, manifest)
    except ModelError as error:
        return {"model": str(directory), "problem": str(error)}
    return {
        "model": str(directory),
        "kind": kind_of(manifest),
        "name": manifest.name,
        "version": f"{manifest.name}-{digest[:12]}",
        "created": manifest.created,
        "bytes": count,
        "heads": heads(manifest),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    """In columns, each as wide as it needs: a terminal that is too narrow wraps the path at the end of the line."""
    cells = [("version", "kind", "heads", "size", "created", "directory")]
    for row in rows:
        if "problem" not in row:
            count, bytes_ = f"{len(row['heads'])}", size(row["bytes"])
            cells.append((row["version"], row["kind"], count, bytes_, row["created"], visible(row["model"])))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for version, kind, count, bytes_, created, model in cells:
        click.echo(
            f"{version:<{widths[0]}}  {kind:<{widths[1]}}  {count:>{widths[2]}}  {bytes_:>{widths[3]}}  "
            f"{created:<{widths[4]}}  {model}"
        )
    for row in rows:
        if "problem" in row:
            click.echo(visible(row["problem"]), err=True)
