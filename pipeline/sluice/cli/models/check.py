"""`sluice models check`: whether workers would take a model directory."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from sluice.classifier import load_model
from sluice.classifier.manifest import load_manifest
from sluice.classifier.tokenizer import named_errors
from sluice.cli.models.described import heads, kind_of, size, size_of, traits
from sluice.cli.terminal import print_json
from sluice.errors import ModelError
from sluice.export.samples import sample_texts
from sluice.moderation.detector import Passage
from sluice.text.visible import visible

__all__ = ["check_command"]


@click.command("check", short_help="Load a model directory as a worker would, and try it.")
@click.argument("directories", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option("--provider", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Where it runs. Default: cpu.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a directory.")
def check_command(directories: tuple[Path, ...], provider: str, as_json: bool) -> None:
    """Check the model directories DIR.

    Reads the manifest, compares the SHA-256 of every file, loads model and tokenizer as a worker would, and scores
    sample texts. What is wrong is named by file and field, and the exit code is 1.
    """
    wrong = False
    for directory in directories:
        try:
            found = _checked(directory, provider)
        except ModelError as error:
            wrong = True
            message = visible(str(error))
            if as_json:
                print_json({"model": visible(str(directory)), "ok": False, "problem": message})
            else:
                click.echo(message, err=True)
            continue
        if as_json:
            print_json(found)
            continue
        about = ", ".join([found["kind"], f"version {found['version']}", size(found["bytes"]), *found["traits"]])
        click.echo(visible(f"{found['model']}: OK, {about}"))
        width = max(len(head["name"]) for head in found["heads"])
        for head in found["heads"]:
            attribute = f" ({head['attribute']})" if head["attribute"] else ""
            click.echo(visible(f"  {head['name']:<{width}}  {head['risk']}{attribute}  {head['description']}"))
        tried = found["sample"]
        click.echo(f"  {tried['texts']} sample texts scored, {tried['ms_per_text']:.1f} ms each", err=True)
    if wrong:
        sys.exit(1)


def _checked(directory: Path, provider: str) -> dict[str, Any]:
    manifest = load_manifest(directory)
    model = load_model(directory, provider="cuda" if provider == "cuda" else "cpu")
    texts = sample_texts()
    passages = [Passage(text, before) for text, before in zip(texts, ["", *texts], strict=False)]
    begin = time.perf_counter()
    with named_errors(directory, "fails on a sample text"):
        scores = model.score(passages)
    seconds = time.perf_counter() - begin
    if scores.shape != (len(passages), len(manifest.heads)) or not np.all((scores >= 0) & (scores <= 1)):
        raise ModelError(f"{directory}: gives scores of sample texts that are not numbers from 0 to 1")
    return {
        "model": str(directory),
        "ok": True,
        "kind": kind_of(manifest),
        "version": model.version,
        "created": manifest.created,
        "bytes": size_of(directory, manifest),
        "traits": traits(manifest),
        "heads": heads(manifest),
        "thresholds": {"flag": manifest.thresholds.flag, "stop": manifest.thresholds.stop},
        "sample": {"texts": len(passages), "ms_per_text": round(1_000 * seconds / len(passages), 2)},
    }
