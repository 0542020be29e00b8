"""The strong kind of model: a transformer that reads a text, and what stands before it, and classifies it.

Rows of like length are padded to the longest of them and run together, within a bounded number of tokens. The
exception is a model whose activations are quantised while it runs: there a row's numbers depend on the rows beside it,
so each row runs alone. So a text's scores never depend on the texts beside it, beyond the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from sluice.classifier.manifest import MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE, EncoderManifest, Head
from sluice.classifier.session import Provider, open_session
from sluice.classifier.tokenizer import load_tokenizer, named_errors, rows_of
from sluice.errors import ModelError
from sluice.moderation.detector import Passage
from sluice.text.fold import fold_text

__all__ = ["EncoderModel", "load_encoder"]

_RUN_TOKENS = 4_096  # of one run, padding included; for BERT-base it takes about 200 MB
_LENGTH_STEP = 16  # rows that differ by less share a run
_MOST_FOLDED = 4
"""Characters that folding may make of one. A few single characters fold to whole phrases of 18; a text full of them is
read as it is, so that no stream costs the others of its batch more than its length says."""
_PASSAGES_AT_ONCE = 256  # encoded together; it bounds the memory that tokens take

Scores = NDArray[np.float32]


class EncoderModel:
    """A loaded model. Safe to use from several threads at once; it blocks and does no I/O."""

    skimmer = None
    """A transformer reads a text as a whole."""

    def __init__(
        self, manifest: EncoderManifest, digest: str, tokenizer: Tokenizer, session: ort.InferenceSession
    ) -> None:
        self.manifest = manifest
        self.heads: tuple[Head, ...] = manifest.heads
        """The columns of a score, in order."""
        self.version = f"{manifest.name}-{digest[:12]}"
        """Name and the first 12 hexadecimal digits of the manifest's SHA-256."""
        self._tokenizer = tokenizer
        self._session = session
        names, calibration = manifest.head_names, manifest.calibration
        self._slope = np.array([calibration.slope.get(name, 1.0) for name in names], dtype=np.float32)
        self._offset = np.array([calibration.offset.get(name, 0.0) for name in names], dtype=np.float32)
        self._logits_of = [[at for at, output in enumerate(manifest.outputs) if output == name] for name in names]
        self._reads_context = manifest.tokens.pair and manifest.tokens.context > 0
        self._room_of_pair = manifest.tokens.max_tokens - tokenizer.num_special_tokens_to_add(True)

    def score(self, passages: Sequence[Passage]) -> Scores:
        """Probability of each head for each text, `(texts, heads)`, float32.

        A text of more tokens than a row holds is read in parts without their context, and the highest score of each
        head counts.
        """
        scores = np.zeros((len(passages), len(self.heads)), dtype=np.float32)
        for start in range(0, len(passages), _PASSAGES_AT_ONCE):
            rows: list[Encoding] = []
            owners: list[int] = []
            for number, passage in enumerate(passages[start : start + _PASSAGES_AT_ONCE], start):
                encoded = self._encode(passage)
                rows += encoded
                owners += [number] * len(encoded)
            np.maximum.at(scores, owners, self._probabilities(self._logits(rows)))
        return scores

    judge = score

    def _encode(self, passage: Passage) -> list[Encoding]:
        """The rows of a passage: one, unless the text is too long for it."""
        text = self._tokens(passage.text)
        if self._reads_context and passage.context and len(text) < self._room_of_pair:
            context = self._tokens(passage.context)
            context.truncate(min(self._room_of_pair - len(text), self.manifest.tokens.context), direction="left")
            return [self._tokenizer.post_process(context, text)]
        return rows_of(self._tokenizer, text, self.manifest.tokens.max_tokens)

    def _tokens(self, text: str) -> Encoding:
        if self.manifest.fold:
            folded = fold_text(text)
            if len(folded) <= _MOST_FOLDED * len(text):
                text = folded
        # A lone surrogate, which JSON can bring, is no character to the tokenizer.
        return self._tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)

    def _logits(self, rows: Sequence[Encoding]) -> Scores:
        """Raw outputs, `(rows, labels)`."""
        logits = np.empty((len(rows), len(self.manifest.outputs)), dtype=np.float32)
        lengths = [len(row) for row in rows]
        for run in self._runs(lengths):
            logits[run] = self._run([rows[number] for number in run], max(lengths[number] for number in run))
        return logits

    def _runs(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Cut rows into runs: the numbers of those that go together."""
        if self.manifest.precision == "int8":
            yield from ([number] for number in range(len(lengths)))
            return
        step = _LENGTH_STEP if "attention_mask" in self.manifest.tokens.inputs else 1
        order = sorted(range(len(lengths)), key=lambda number: lengths[number])
        for _, like in groupby(order, key=lambda number: -(-lengths[number] // step)):
            bucket = list(like)
            size = max(1, _RUN_TOKENS // max(lengths[bucket[-1]], 1))
            yield from (bucket[at : at + size] for at in range(0, len(bucket), size))

    def _run(self, rows: Sequence[Encoding], length: int) -> Scores:
        shape = (len(rows), max(length, 1))
        tensors = {
            "input_ids": np.full(shape, self.manifest.tokens.pad, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        for number, row in enumerate(rows):
            tensors["input_ids"][number, : len(row)] = row.ids
            tensors["attention_mask"][number, : len(row)] = 1
            tensors["token_type_ids"][number, : len(row)] = row.type_ids
        found: Scores = self._session.run(["logits"], {name: tensors[name] for name in self.manifest.tokens.inputs})[0]
        return found.astype(np.float32, copy=False)

    def _probabilities(self, logits: Scores) -> Scores:
        """Calibrated, `(rows, heads)`. Of several logits of one head the highest counts; under a softmax, their sum."""
        if self.manifest.activation == "softmax":
            raised = logits * self._slope[0]
            raised -= raised.max(axis=1, keepdims=True)
            shares = np.exp(raised)
            shares /= shares.sum(axis=1, keepdims=True)
            return np.stack([shares[:, of].sum(axis=1) for of in self._logits_of], axis=1)
        highest = np.stack([logits[:, of].max(axis=1) for of in self._logits_of], axis=1)
        with np.errstate(over="ignore"):
            scores: Scores = 1 / (1 + np.exp(-(highest * self._slope + self._offset)))
        return scores


def load_encoder(
    directory: Path, manifest: EncoderManifest, digest: str, *, provider: Provider, threads: int
) -> EncoderModel:
    """Load the model that a checked manifest describes.

    Raises:
        ModelError: something is missing or does not match the manifest. Names the file and the field.
    """
    tokenizer = load_tokenizer(directory, manifest)
    session = open_session(directory, manifest.sha256, manifest.opset, provider=provider, threads=threads)
    path = directory / MODEL_FILE
    _check_graph(path, manifest, session)
    model = EncoderModel(manifest, digest, tokenizer, session)
    what = (
        f"does not run on {manifest.tokens.max_tokens} tokens, as tokens.max_tokens of {MANIFEST_FILE} allows, with "
        f"the highest id of {TOKENIZER_FILE}"
    )
    with named_errors(path, what):
        tried = [_try(manifest, tokenizer, session, shape) for shape in ((1, manifest.tokens.max_tokens), (2, 2))]
    for rows, logits in enumerate(tried, 1):
        if logits.shape != (rows, len(manifest.outputs)) or not np.isfinite(logits).all():
            raise ModelError(
                f"{path}: gives logits of shape {logits.shape} for a batch of {rows}, or not numbers; outputs of "
                f"{MANIFEST_FILE} names {len(manifest.outputs)}"
            )
    _try_texts(path, model)
    return model


def _check_graph(path: Path, manifest: EncoderManifest, session: ort.InferenceSession) -> None:
    inputs = {value.name: (value.type, value.shape) for value in session.get_inputs()}
    if set(inputs) != set(manifest.tokens.inputs):
        raise ModelError(
            f"{path}: has the inputs {', '.join(sorted(inputs))}, tokens.inputs of {MANIFEST_FILE} says "
            f"{', '.join(sorted(manifest.tokens.inputs))}"
        )
    for name, (kind, shape) in inputs.items():
        if kind != "tensor(int64)" or len(shape) != 2 or any(isinstance(size, int) for size in shape):
            raise ModelError(f"{path}: {name} must be int64 of (batch, length), both dynamic, not {kind} of {shape}")
    outputs: list[tuple[str, str, Any]] = [(value.name, value.type, value.shape) for value in session.get_outputs()]
    if len(outputs) != 1 or outputs[0][0] != "logits" or outputs[0][1] not in ("tensor(float)", "tensor(float16)"):
        raise ModelError(f"{path}: must have one output, float `logits` of (batch, labels), not {outputs}")
    labels = outputs[0][2][-1] if outputs[0][2] else None
    if isinstance(labels, int) and labels != len(manifest.outputs):
        raise ModelError(f"{path}: gives {labels} logits, outputs of {MANIFEST_FILE} names {len(manifest.outputs)}")


def _try(
    manifest: EncoderManifest, tokenizer: Tokenizer, session: ort.InferenceSession, shape: tuple[int, int]
) -> Scores:
    """The logits of rows of the highest id that the tokenizer can give; the last of several is padding throughout."""
    ids = np.full(shape, max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0), dtype=np.int64)
    ids[1:] = manifest.tokens.pad
    tensors = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    logits: Scores = session.run(["logits"], {name: tensors[name] for name in manifest.tokens.inputs})[0]
    return logits


def _try_texts(path: Path, model: EncoderModel) -> None:
    """Score a text alone and with what stands before it: the tokenizer has type ids of its own for each."""
    with named_errors(path, f"does not run on what {TOKENIZER_FILE} makes of a text with another before it"):
        scores = model.score([Passage("a"), Passage("a", "a"), Passage("", "a")])
    if not np.isfinite(scores).all():
        raise ModelError(f"{path}: gives a text, or one with another before it, logits that are not numbers")
