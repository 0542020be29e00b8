"""`sluice models export`: a model directory of a transformers checkpoint."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from sluice.cli.models.described import heads, size
from sluice.cli.options import Number
from sluice.cli.terminal import print_json
from sluice.errors import InputError
from sluice.text.visible import visible

if TYPE_CHECKING:
    from sluice.export.checkpoint import Activation
    from sluice.export.export import Exported
    from sluice.export.labels import LabelMap

__all__ = ["export_command"]

_MAX_TOKENS = 8_192
"""As the manifest's `tokens.max_tokens` allows."""


@click.command("export", short_help="Make a model directory of a transformers checkpoint.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="LABEL=RISK[:HEAD[:ATTRIBUTE]]",
    help="The risk that a label counts for. Several labels may share a head.",
)
@click.option("--ignore", "ignored", multiple=True, metavar="LABEL", help="A label that counts for nothing.")
@click.option("--map-file", type=click.Path(path_type=Path), help="The same for all labels, as YAML.")
@click.option("--name", default="", help="Default: after the checkpoint's folder.")
@click.option("--int8", is_flag=True, help="Weights in int8: a quarter of the size, and faster on a CPU.")
@click.option("--pair", is_flag=True, help="It was trained on pairs: what stands before, and the text.")
@click.option(
    "--max-tokens",
    type=click.IntRange(8, _MAX_TOKENS),
    help="Longest row. Default: what it reads, at most 512.",
)
@click.option(
    "--activation",
    type=click.Choice(["softmax", "sigmoid"]),
    help="One label a text, or any number. Default: as config.json says.",
)
@click.option("--flag", type=Number(0, 1), default=0.5, help="Score to flag at. Default: 0.5.")
@click.option("--stop", type=Number(0, 1), default=0.9, help="Score to stop at. Default: 0.9.")
@click.option(
    "--samples", type=click.Path(path_type=Path), help="Texts to compare on, one a line, beside those built in."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def export_command(
    checkpoint: Path,
    out: Path,
    maps: tuple[str, ...],
    ignored: tuple[str, ...],
    map_file: Path | None,
    name: str,
    int8: bool,
    pair: bool,
    max_tokens: int | None,
    activation: str | None,
    flag: float,
    stop: float,
    samples: Path | None,
    as_json: bool,
) -> None:
    """Make the model directory OUT of the transformers checkpoint in the local folder CHECKPOINT.

    The checkpoint is a sequence classifier (BERT, RoBERTa, DeBERTa, MiniLM, Qwen and their like) with config.json,
    model.safetensors and its tokenizer. Every label must be mapped to a risk or ignored. Nothing is fetched, no pickle
    is read and no code of the checkpoint is run. The result is compared with the checkpoint on sample texts, and not
    written if it differs. Needs torch and transformers, which the extra `train` brings.
    """
    from sluice.classifier.manifest import Thresholds
    from sluice.export.export import Wish, export
    from sluice.export.samples import read_samples, sample_texts

    if flag > stop:
        raise InputError(f"--flag {flag} is more than --stop {stop}")
    wish = Wish(
        checkpoint=checkpoint,
        out=out,
        labels=_labels(maps, ignored, map_file),
        samples=[*sample_texts(), *(read_samples(samples) if samples is not None else ())],
        created=date.today(),
        name=name,
        int8=int8,
        pair=pair,
        max_tokens=max_tokens or 0,
        activation=cast("Activation | None", activation),
        thresholds=Thresholds(flag=flag, stop=stop, note="Given at export; not chosen on data by Sluice."),
    )
    exported = export(wish, lambda step: click.echo(f"{step} …", err=True))
    if as_json:
        print_json(_record(out, exported))
    else:
        _show(out, exported)


def _labels(maps: tuple[str, ...], ignored: tuple[str, ...], map_file: Path | None) -> LabelMap:
    from sluice.export.labels import MAX_MAP_BYTES, parse_options, read_map

    given = parse_options(maps, ignored)
    if map_file is None:
        return given
    try:
        with map_file.open("rb") as file:
            content = file.read(MAX_MAP_BYTES + 1)
        if len(content) > MAX_MAP_BYTES:
            raise InputError(f"{map_file}: larger than {MAX_MAP_BYTES} bytes")
        return read_map(content.decode("utf-8-sig"), str(map_file)).joined(given)
    except OSError as error:
        raise InputError(f"{map_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{map_file}: not UTF-8 at byte {error.start}") from None


def _record(out: Path, exported: Exported) -> dict[str, object]:
    def told(found: object) -> dict[str, object]:
        return {name: getattr(found, name) for name in ("texts", "largest", "mean")}

    return {
        "model": str(out),
        "version": exported.version,
        "precision": exported.manifest.precision,
        "bytes": exported.bytes,
        "max_tokens": exported.manifest.tokens.max_tokens,
        "activation": exported.manifest.activation,
        "heads": heads(exported.manifest),
        "agreement": told(exported.agreement),
        "drift": None if exported.drift is None else told(exported.drift),
    }


def _show(out: Path, exported: Exported) -> None:
    manifest = exported.manifest
    click.echo(
        visible(
            f"{out}: encoder, version {exported.version}, {size(exported.bytes)}, {manifest.precision}, "
            f"{manifest.activation}, up to {manifest.tokens.max_tokens} tokens"
        )
    )
    for head in manifest.heads:
        click.echo(visible(f"  {head.name}: {head.risk}{f' ({head.attribute})' if head.attribute else ''}"))
    found, drift = exported.agreement, exported.drift
    click.echo(f"fp32 agrees with the checkpoint on {found.texts} texts: scores differ by {found.largest:.1g} at most")
    if drift is not None:
        click.echo(f"int8 moves a score by {drift.mean:.2g} in the mean, by {drift.largest:.2g} at most")
