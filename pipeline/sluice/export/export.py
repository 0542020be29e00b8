"""From a checkpoint to a model directory that was seen to agree with it, or to nothing at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.classifier import Head, load_model
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Calibration,
    EncoderManifest,
    Thresholds,
    TokenSpec,
)
from sluice.errors import InputError, UnavailableError
from sluice.export.agreement import Agreement, agreement, check_agreement
from sluice.export.checkpoint import Activation, Checkpoint, read_checkpoint
from sluice.export.labels import LabelMap, map_labels
from sluice.moderation.detector import Passage

if TYPE_CHECKING:
    from sluice.export.torch_side import TorchModel

__all__ = ["MAX_TOKENS", "Exported", "Wish", "export"]

MAX_TOKENS = 512
"""Longest row where nothing else is said: what BERT reads, and many times a sentence."""

_NEEDED = ("torch", "transformers", "onnx", "onnxscript")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to export, and how."""

    checkpoint: Path
    out: Path
    """Must not be there, or be an empty folder."""
    labels: LabelMap
    samples: Sequence[str]
    """Texts that both sides must score alike."""
    created: date
    name: str = ""
    """Empty: after the checkpoint's folder."""
    int8: bool = False
    pair: bool = False
    """The model was trained on pairs: what stands before, and the text."""
    max_tokens: int = 0
    """0: as many as the checkpoint reads, at most `MAX_TOKENS`."""
    activation: Activation | None = None
    """None: as the checkpoint's training says."""
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    manifest: EncoderManifest
    version: str
    bytes: int
    agreement: Agreement
    """Of fp32 with the checkpoint."""
    drift: Agreement | None
    """Of int8 with the checkpoint."""


def export(wish: Wish, tell: Callable[[str], object] = lambda step: None) -> Exported:
    """Export a checkpoint; `tell` is called with what is being done.

    Raises:
        InputError: the labels, the name or a number of the wish does not fit the checkpoint.
        ModelError: the checkpoint cannot be exported, or its export does not agree with it.
        UnavailableError: torch and what belongs to it are not installed.
    """
    checkpoint = read_checkpoint(wish.checkpoint)
    heads, outputs = map_labels(checkpoint.labels, wish.labels)
    name = wish.name or _name_of(checkpoint.directory)
    activation = wish.activation or checkpoint.activation
    if activation is None:
        raise InputError(
            f"{checkpoint.directory}/config.json: has no problem_type: say --activation softmax where one label holds "
            "for a text, --activation sigmoid where any number of them may"
        )
    _check_out(wish.out)
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise UnavailableError(
            f"exporting needs {', '.join(missing)}, not installed here: the extra `train` brings them (5 GB; in a "
            "checkout: make export)"
        )
    tell("loading torch and the checkpoint")
    from sluice.export.torch_side import load  # seconds to import, and not there where models only run

    torch_model = load(checkpoint)
    tokens = TokenSpec(
        max_tokens=_max_tokens(wish.max_tokens, torch_model.max_tokens, checkpoint),
        inputs=torch_model.inputs,  # type: ignore[arg-type]
        pair=wish.pair,
        pad=torch_model.pad,
    )
    passages = _passages(wish, torch_model, tokens.max_tokens)
    expected = _expected(torch_model, passages, heads, outputs, activation)
    manifest = EncoderManifest(
        name=name,
        created=wish.created.isoformat(),
        sha256={},
        heads=heads,
        calibration=Calibration(method="none", mix=""),
        thresholds=wish.thresholds,
        opset=1,
        tokens=tokens,
        outputs=outputs,
        activation=activation,
    )
    with _workplace(wish.out) as place:
        tell("writing the graph")
        graph = place / "graph.onnx"
        torch_model.write_graph(graph)
        written = _Writer(place / "model", manifest, torch_model.tokenizer_json, passages, expected)
        tell(f"comparing {len(passages)} texts with the checkpoint")
        found = written.write(graph, "fp32")
        drift = None
        if wish.int8:
            from sluice.export.graph import quantise

            tell("making it int8")
            quantise(graph, place / "int8.onnx")
            tell(f"comparing {len(passages)} texts with the checkpoint")
            drift = written.write(place / "int8.onnx", "int8")
        result = Exported(written.manifest, written.version, written.bytes, found, drift)
        (place / "model").rename(wish.out)
    return result


class _Writer:
    """Writes a model directory, and loads it as a worker would."""

    def __init__(
        self,
        directory: Path,
        manifest: EncoderManifest,
        tokenizer: str,
        passages: Sequence[Passage],
        expected: NDArray[np.float32],
    ) -> None:
        self._directory = directory
        self.manifest = manifest
        self._tokenizer = json.loads(tokenizer) | {"truncation": None, "padding": None}  # both are the runtime's
        self._passages = passages
        self._expected = expected
        self.version = ""
        self.bytes = 0

    def write(self, graph: Path, precision: str) -> Agreement:
        """Write it anew with this graph; refuses one that does not agree with the checkpoint."""
        from sluice.export.graph import place

        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        opset = place(graph, self._directory)
        text = json.dumps(self._tokenizer, ensure_ascii=False, separators=(",", ":"))
        (self._directory / TOKENIZER_FILE).write_text(text, encoding="utf-8")
        files = [MODEL_FILE, TOKENIZER_FILE, *([WEIGHTS_FILE] if (self._directory / WEIGHTS_FILE).exists() else [])]
        self.manifest = msgspec.structs.replace(
            self.manifest,
            opset=opset,
            precision=precision,
            sha256={name: _sha256(self._directory / name) for name in sorted(files)},
        )
        content = msgspec.json.format(msgspec.json.encode(self.manifest), indent=2)
        (self._directory / MANIFEST_FILE).write_bytes(content + b"\n")
        model = load_model(self._directory)
        self.version = model.version
        self.bytes = sum(file.stat().st_size for file in self._directory.iterdir())
        found = agreement(self._expected, model.score(self._passages))
        check_agreement(found, precision)
        return found


def _expected(
    model: TorchModel,
    passages: Sequence[Passage],
    heads: Sequence[Head],
    outputs: Sequence[str | None],
    activation: Activation,
) -> NDArray[np.float32]:
    """The scores that the checkpoint gives, `(texts, heads)`: of several labels of a head their sum under a softmax,
    else the highest."""
    logits = model.logits([(passage.context, passage.text) for passage in passages]).astype(np.float64)
    of = [[at for at, output in enumerate(outputs) if output == head.name] for head in heads]
    if activation == "softmax":
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        scores = np.stack([shares[:, at].sum(axis=1) for at in of], axis=1)
    else:
        highest = np.stack([logits[:, at].max(axis=1) for at in of], axis=1)
        scores = np.exp(-np.logaddexp(0, -highest))
    return scores.astype(np.float32, copy=False)


def _passages(wish: Wish, model: TorchModel, max_tokens: int) -> list[Passage]:
    """The samples that fit into a row: longer ones are scored in parts, which the checkpoint does not do."""
    pairs = [("", text) for text in wish.samples]
    if wish.pair:
        pairs += list(zip(wish.samples, wish.samples[1:], strict=False))
    lengths = model.tokens(pairs)
    fitting = [
        Passage(text, context) for (context, text), length in zip(pairs, lengths, strict=True) if length <= max_tokens
    ]
    if not fitting:
        raise InputError(f"no sample text fits into {max_tokens} tokens")
    return fitting


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _max_tokens(wished: int, readable: int | None, checkpoint: Checkpoint) -> int:
    if wished and readable is not None and wished > readable:
        raise InputError(f"--max-tokens {wished}: {checkpoint.directory} reads {readable}")
    return wished or min(readable or MAX_TOKENS, MAX_TOKENS)


def _name_of(directory: Path) -> str:
    name = re.sub(r"[^a-z0-9_.-]+", "-", directory.resolve().name.lower()).strip("-_.")[:64]
    if not name:
        raise InputError(f"{directory}: no name can be made of this; say --name")
    return name


def _check_out(out: Path) -> None:
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise InputError(f"{out}: is there already")


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A folder beside the model directory to be: on the same disk, so that the model appears there at once and whole.

    Raises:
        InputError: it cannot be made.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
