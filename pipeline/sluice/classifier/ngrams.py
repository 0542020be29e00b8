"""The cheap kind of model: a linear one over hashed character n-grams, whose scores follow a text while it grows.

A score is a function of sums over the n-grams of a text. The sums are whole numbers of steps, exact in float32 far
beyond the longest text, so they can be carried from piece to piece and come out the same for every cutting.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sluice.classifier.features import Features, Hashes, lookup
from sluice.classifier.files import read_pinned
from sluice.classifier.manifest import MANIFEST_FILE, MODEL_FILE, VOCABULARY_FILE, Head, NgramManifest
from sluice.classifier.session import open_session
from sluice.errors import ModelError
from sluice.moderation.detector import Passage
from sluice.text.fold import fold_text

__all__ = ["WINDOW_CHARS", "NgramModel", "load_ngrams"]

WINDOW_CHARS = 2_048
"""`score` cuts a longer text into windows of so many characters, and the highest score of each head counts: one
violating sentence must not drown in pages of harmless text, and no text is longer than a bounded run of the model."""

_BATCH_CHARS = 32_768  # hashing takes about 100 bytes a character: 3 MB a batch, which stays in the cache
_RUN_IDS = 16_384  # the model takes about 100 bytes an id, padding included
_FREE_IDS = 2_048  # below so many ids, padding included, a run of its own costs more than the padding that it saves
_HEADER_BYTES = 4_096

Scores = NDArray[np.float32]


class _Running(msgspec.Struct, frozen=True, gc=False):
    """A text so far."""

    tail: str
    """Its last folded characters, as many as an n-gram may reach back."""
    sums: bytes
    """Float32 `(heads + 1,)`: steps of each head, and of the squared norm."""


class NgramModel:
    """A loaded model, its own skimmer. Safe to use from several threads at once; it blocks and does no I/O."""

    doubt = None
    """As a skimmer of its own it is never in doubt: there is nothing better to ask."""

    def __init__(self, manifest: NgramManifest, digest: str, vocabulary: Hashes, session: ort.InferenceSession) -> None:
        self.manifest = manifest
        self.heads: tuple[Head, ...] = manifest.heads
        """The columns of a score, in order."""
        self.version = f"{manifest.name}-{digest[:12]}"
        """Name and the first 12 hexadecimal digits of the manifest's SHA-256."""
        self._vocabulary = vocabulary
        self._session = session
        self._beginning = _Running("", bytes(4 * (len(self.heads) + 1)))

    @property
    def skimmer(self) -> NgramModel:
        return self

    def score(self, passages: Sequence[Passage]) -> Scores:
        """Probability of each head for each text, `(texts, heads)`, float32. Context is not made use of.

        Texts may be folded already. A text's scores do not depend on the texts beside it. A text without any known
        n-gram, the empty one among them, gets the scores of no evidence.
        """
        texts = [passage.text for passage in passages]
        if max(map(len, texts), default=0) <= WINDOW_CHARS:
            return self.skim([None] * len(texts), texts)[0]
        owners: list[int] = []
        windows: list[str] = []
        for number, text in enumerate(texts):
            for start in range(0, max(len(text), 1), WINDOW_CHARS):
                owners.append(number)
                windows.append(text[start : start + WINDOW_CHARS])
        scores = np.zeros((len(texts), len(self.heads)), dtype=np.float32)
        np.maximum.at(scores, owners, self.skim([None] * len(windows), windows)[0])
        return scores

    judge = score

    def skim(self, states: Sequence[object | None], pieces: Sequence[str]) -> tuple[Scores, list[object | None]]:
        """Go on with several texts at once; see `Skimmer.skim`."""
        scores = np.empty((len(pieces), len(self.heads)), dtype=np.float32)
        running: list[object | None] = []
        for start, end in _batches(pieces):
            running += self._advance(states[start:end], pieces[start:end], scores[start:end])
        return scores, running

    def _advance(self, states: Sequence[object | None], pieces: Sequence[str], scores: Scores) -> list[object | None]:
        """Go on with one batch; fills in the scores and returns the new states."""
        spec = self.manifest.features
        known = [state if isinstance(state, _Running) else self._beginning for state in states]
        tails = [state.tail for state in known]
        carried = np.frombuffer(b"".join([state.sums for state in known]), dtype=np.float32).reshape(len(known), -1)
        sums = np.empty_like(carried)
        features = lookup(pieces, self._vocabulary, spec.low, spec.high, tails)
        for rows, ids in _runs(features, padding=spec.slots):
            found = self._session.run(["scores", "sums"], {"ids": ids, "carried": carried[rows]})
            scores[rows], sums[rows] = found
        back = spec.high - 1
        return [
            _Running((tail + fold_text(piece))[-back:] if back else "", row.tobytes())
            for tail, piece, row in zip(tails, pieces, sums, strict=True)
        ]


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
        # Texts up to twice as long as the shortest may share its run, and any while the run is small.
        like = int(np.searchsorted(ordered, 2 * max(int(ordered[begin]), 1), side="right"))
        padded = ordered[begin:] * np.arange(1, len(order) - begin + 1)
        end = max(
            min(like, begin + int(np.searchsorted(padded, _RUN_IDS, side="right"))),
            begin + int(np.searchsorted(padded, _FREE_IDS, side="right")),
            begin + 1,
        )
        rows = order[begin:end]
        columns = np.arange(max(int(ordered[end - 1]), 1))
        within = columns < counts[rows, None]
        ids = np.full(within.shape, padding, dtype=np.int32)
        ids[within] = features.slots[(starts[rows, None] + columns)[within]]
        yield rows, ids
        begin = end


def load_ngrams(directory: Path, manifest: NgramManifest, digest: str, *, threads: int) -> NgramModel:
    """Load the model that a checked manifest describes; always on the CPU, where a run is shorter than its transfer.

    Raises:
        ModelError: something is missing or does not match the manifest. Names the file and the field.
    """
    vocabulary = _load_vocabulary(directory, manifest)
    session = open_session(directory, manifest.sha256, manifest.opset, threads=threads)
    _check_graph(directory / MODEL_FILE, manifest, session)
    _try(directory / MODEL_FILE, manifest, session)
    return NgramModel(manifest, digest, vocabulary, session)


def _load_vocabulary(directory: Path, manifest: NgramManifest) -> Hashes:
    path, slots = directory / VOCABULARY_FILE, manifest.features.slots
    # An array of twice the width is let through so that it is named for its type.
    content = read_pinned(directory, VOCABULARY_FILE, manifest.sha256[VOCABULARY_FILE], 8 * slots + _HEADER_BYTES)
    try:
        vocabulary = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # its header is read as a piece of Python, which fails in as many ways
        raise ModelError(f"{path}: not a NumPy array: {error}") from error
    if not isinstance(vocabulary, np.ndarray) or vocabulary.shape != (slots,) or vocabulary.dtype != np.uint32:
        raise ModelError(f"{path}: must hold {slots} uint32, as features.slots of {MANIFEST_FILE} says")
    return vocabulary


def _check_graph(path: Path, manifest: NgramManifest, session: ort.InferenceSession) -> None:
    stamp = session.get_modelmeta().custom_metadata_map
    for field, expected in manifest.stamp.items():
        if stamp.get(field) != expected:
            raise ModelError(f"{path}: made for {field} {stamp.get(field)!r}, {MANIFEST_FILE} says {expected!r}")
    heads = len(manifest.heads)
    inputs = [(value.name, value.type, value.shape[1:]) for value in session.get_inputs()]
    if [(name, kind) for name, kind, _ in inputs] != [("ids", "tensor(int32)"), ("carried", "tensor(float)")] or (
        len(inputs[0][2]) != 1 or inputs[1][2] != [heads + 1]
    ):
        raise ModelError(
            f"{path}: must have two inputs, int32 `ids` of (batch, length) and float `carried` of (batch, "
            f"{heads + 1}), not {inputs}"
        )
    outputs = [(value.name, value.type, value.shape[1:]) for value in session.get_outputs()]
    if outputs != [("scores", "tensor(float)", [heads]), ("sums", "tensor(float)", [heads + 1])]:
        raise ModelError(
            f"{path}: must have two outputs, float `scores` of (batch, {heads}) and float `sums` of (batch, "
            f"{heads + 1}), as heads of {MANIFEST_FILE} says, not {outputs}"
        )


def _try(path: Path, manifest: NgramManifest, session: ort.InferenceSession) -> None:
    """Run two texts, one of the last slot and one of padding alone: a graph may do other than its shapes say."""
    slots, sums = manifest.features.slots, len(manifest.heads) + 1
    ids = np.array([[slots - 1], [slots]], dtype=np.int32)
    try:
        found = session.run(["scores", "sums"], {"ids": ids, "carried": np.zeros((2, sums), dtype=np.float32)})
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise ModelError(f"{path}: does not run on ids up to features.slots of {MANIFEST_FILE}: {error}") from error
    shapes = [array.shape for array in found]
    if shapes != [(2, sums - 1), (2, sums)] or not all(np.isfinite(array).all() for array in found):
        raise ModelError(f"{path}: gives scores and sums of the shapes {shapes} for a batch of 2, or not numbers")
