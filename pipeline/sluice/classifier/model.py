"""The classifier: texts in, one calibrated probability per head out, by ONNX Runtime."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sluice.classifier.features import Features, Hashes, lookup
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    VOCABULARY_FILE,
    Head,
    Manifest,
    load_manifest,
    read_pinned,
)
from sluice.errors import ModelError

__all__ = ["WINDOW_CHARS", "Classifier"]

WINDOW_CHARS = 2_048
"""A longer text is scored in windows of so many characters, and the highest score of each head counts: one violating
sentence must not drown in pages of harmless text, and no text is longer than a bounded run of the model."""

_BATCH_CHARS = 32_768  # hashing takes about 100 bytes a character: 3 MB a batch, which stays in the cache
_RUN_IDS = 16_384  # the model takes about 100 bytes an id, padding included
_MIN_RUN = 8  # below this many texts a run of its own costs more than the padding that it saves

Scores = NDArray[np.float32]


class Classifier:
    """A loaded model. Safe to use from several threads at once; `score` blocks and does no I/O."""

    def __init__(self, manifest: Manifest, vocabulary: Hashes, session: ort.InferenceSession) -> None:
        self.manifest = manifest
        self.heads: tuple[Head, ...] = manifest.heads
        """The columns of `score`, in order."""
        self.version = f"{manifest.name}-{manifest.sha256.model[:12]}"
        """Name and the first 12 hexadecimal digits of the model's SHA-256."""
        self._vocabulary = vocabulary
        self._session = session

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Classifier:
        """Load a model directory, on the CPU. `threads` is for one run of the model; more pays for large batches only.

        Raises:
            ModelError: something is missing, unknown, or does not match the manifest. Names the file and the field.
        """
        manifest = load_manifest(directory)
        vocabulary = _load_vocabulary(directory / VOCABULARY_FILE, manifest)
        session = _load_session(directory / MODEL_FILE, manifest, threads)
        return cls(manifest, vocabulary, session)

    def score(self, texts: Sequence[str]) -> Scores:
        """Probability of each head for each text, `(texts, heads)`, float32.

        Texts may be folded already. A text's scores do not depend on the texts beside it. A text without any known
        n-gram, the empty one among them, gets the scores of no evidence.
        """
        longest = max(map(len, texts), default=0)
        if longest <= WINDOW_CHARS:
            return self._score_windows(texts)
        owners = [number for number, text in enumerate(texts) for _ in range(0, max(len(text), 1), WINDOW_CHARS)]
        windows = [
            text[start : start + WINDOW_CHARS] for text in texts for start in range(0, max(len(text), 1), WINDOW_CHARS)
        ]
        scores = np.zeros((len(texts), len(self.heads)), dtype=np.float32)
        np.maximum.at(scores, owners, self._score_windows(windows))
        return scores

    def _score_windows(self, texts: Sequence[str]) -> Scores:
        scores = np.empty((len(texts), len(self.heads)), dtype=np.float32)
        spec = self.manifest.features
        for start, end in _batches(texts):
            features = lookup(texts[start:end], self._vocabulary, spec.low, spec.high)
            for rows, ids in _runs(features, padding=spec.slots):
                scores[start + rows] = self._session.run(["scores"], {"ids": ids})[0]
        return scores


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Cut texts into stretches `[start, end)` of a bounded number of characters."""
    start = chars = 0
    for end, text in enumerate(texts):
        if chars + len(text) > _BATCH_CHARS and end > start:
            yield start, end
            start, chars = end, 0
        chars += len(text)
    if start < len(texts):
        yield start, len(texts)


def _runs(features: Features, padding: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """Cut a batch into runs of texts of like length: the texts' numbers `(n,)` and their padded ids `(n, length)`."""
    counts = features.counts
    starts = np.cumsum(counts) - counts
    order = np.argsort(counts, kind="stable")
    ordered = counts[order]
    begin = 0
    while begin < len(order):
        # Texts up to twice as long as the shortest may share its run, and a few more so that runs are worth their call.
        shared = int(np.searchsorted(ordered, 2 * max(int(ordered[begin]), 1), side="right"))
        end = min(max(shared, begin + _MIN_RUN), len(order))
        while end > begin + 1 and (end - begin) * int(ordered[end - 1]) > _RUN_IDS:
            end = begin + (end - begin + 1) // 2
        rows = order[begin:end]
        columns = np.arange(max(int(ordered[end - 1]), 1))
        within = columns < counts[rows, None]
        ids = np.full(within.shape, padding, dtype=np.int32)
        ids[within] = features.slots[(starts[rows, None] + columns)[within]]
        yield rows, ids
        begin = end


def _load_vocabulary(path: Path, manifest: Manifest) -> Hashes:
    content = read_pinned(path, manifest.sha256.vocabulary)
    try:
        vocabulary = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ModelError(f"{path}: not a NumPy array: {error}") from error
    slots = manifest.features.slots
    if not isinstance(vocabulary, np.ndarray) or vocabulary.shape != (slots,) or vocabulary.dtype != np.uint32:
        raise ModelError(f"{path}: must hold {slots} uint32, as features.slots of {MANIFEST_FILE} says")
    return vocabulary


def _load_session(path: Path, manifest: Manifest, threads: int) -> ort.InferenceSession:
    content = read_pinned(path, manifest.sha256.model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # shapes change from run to run: a plan per shape would only be kept, not used
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a worker's cores are not ours to burn
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise ModelError(f"{path}: ONNX Runtime does not load it: {error}") from error
    stamp = session.get_modelmeta().custom_metadata_map
    for field, expected in manifest.stamp.items():
        if stamp.get(field) != expected:
            raise ModelError(f"{path}: made for {field} {stamp.get(field)!r}, {MANIFEST_FILE} says {expected!r}")
    inputs = [(value.name, value.type, len(value.shape)) for value in session.get_inputs()]
    if inputs != [("ids", "tensor(int32)", 2)]:
        raise ModelError(f"{path}: must have one input, int32 `ids` of (batch, length), not {inputs}")
    outputs = [(value.name, value.type, value.shape[1:]) for value in session.get_outputs()]
    if outputs != [("scores", "tensor(float)", [len(manifest.heads)])]:
        raise ModelError(
            f"{path}: must have one output, float `scores` of (batch, {len(manifest.heads)}), as heads of "
            f"{MANIFEST_FILE} says, not {outputs}"
        )
    return session
