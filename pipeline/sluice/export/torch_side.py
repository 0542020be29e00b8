"""The checkpoint in torch: loading it, what it says to texts, and its graph as ONNX.

The only module that imports torch and transformers. Nothing is fetched, no code of a checkpoint is run, and weights
come from safetensors alone: each is asked for here again, whatever `sluice.export.checkpoint` found.

The graph is written by torch's exporter of `torch.export` programs (`dynamo=True`). The older one, which traces a run,
makes graphs of BERT, RoBERTa and DeBERTa whose scores are off by 0.01 in padded batches, and says nothing about it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported

import torch
import transformers

from sluice.errors import ModelError
from sluice.export.checkpoint import Checkpoint

__all__ = ["OPSET", "TorchModel", "load"]

OPSET = 18
"""The exporter's own: other ones are made of it by a conversion."""

_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_EXAMPLE = (2, 9)
"""Rows and tokens of the run that the graph is read off; the graph is for any number of both."""


class TorchModel:
    """A loaded checkpoint, in float32 on the CPU."""

    def __init__(self, checkpoint: Checkpoint, model: Any, tokenizer: Any) -> None:
        self._checkpoint = checkpoint
        self._model = model
        self._tokenizer = tokenizer
        self.inputs: tuple[str, ...] = _inputs(model, tokenizer)
        """Names of the tensors that the model reads."""
        self.pad: int = model.config.pad_token_id
        self.max_tokens: int | None = _positions(checkpoint, model, tokenizer)
        """The longest row that it can read; None where nothing says."""

    @property
    def tokenizer_json(self) -> str:
        """The tokenizer in the format of the `tokenizers` library."""
        text: str = self._tokenizer.backend_tokenizer.to_str()
        return text

    def tokens(self, texts: Sequence[tuple[str, str]]) -> list[int]:
        """How many tokens each `(context, text)` makes, special ones included."""
        return [len(self._encode(context, text)["input_ids"][0]) for context, text in texts]

    def logits(self, texts: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """What the checkpoint says to each `(context, text)`, `(texts, labels)`; an empty context is none."""
        rows = []
        for context, text in texts:
            encoded = self._encode(context, text)
            tensors = {name: torch.tensor(encoded[name]) for name in self.inputs}
            with torch.inference_mode(), _quiet():
                rows.append(self._model(**tensors).logits[0].numpy())
        return np.stack(rows).astype(np.float32, copy=False)

    def write_graph(self, path: Path) -> None:
        """Write the model as ONNX: inputs int64 `(batch, length)`, both dynamic; output `logits` `(batch, labels)`.

        Weights stand in a file of their own beside it, `<name>.data`, so that the size of one file is no limit.

        Raises:
            ModelError: the exporter cannot.
        """
        rows, length = _EXAMPLE
        example = {name: torch.ones(_EXAMPLE, dtype=torch.int64) for name in self.inputs}
        example["input_ids"] = torch.arange(rows * length).reshape(_EXAMPLE) % self._model.config.vocab_size
        example["input_ids"][0, length // 2 :] = self.pad
        example["attention_mask"][0, length // 2 :] = 0
        if "token_type_ids" in example:
            example["token_type_ids"] *= 0
        try:
            with torch.inference_mode(), _quiet():
                program = torch.onnx.export(
                    self._model,
                    (),
                    kwargs=example,
                    dynamo=True,
                    opset_version=OPSET,
                    input_names=list(self.inputs),
                    output_names=["logits"],
                    dynamic_shapes={name: {0: "batch", 1: "length"} for name in self.inputs},
                    verbose=False,
                )
                assert program is not None  # noqa: S101 - only a call that writes a file by itself gives none
                program.save(path, external_data=True)
        except Exception as error:  # the exporter raises whatever any of its many parts raises
            raise ModelError(f"{self._checkpoint.directory}: torch cannot write it as ONNX: {_first(error)}") from error

    def _encode(self, context: str, text: str) -> Any:
        """Tensors of one row, by name."""
        given = ([context], [text]) if context else ([text],)
        with _quiet():  # it warns of long texts
            return self._tokenizer(*given, return_token_type_ids=True)


def load(checkpoint: Checkpoint) -> TorchModel:
    """Load a checkpoint and its tokenizer.

    Raises:
        ModelError: they cannot be loaded, do not fit the architecture, or do not fit each other.
    """
    directory = checkpoint.directory
    try:
        with _quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(directory, **_LOCAL)
    except Exception as error:  # each kind of tokenizer fails in its own way
        raise ModelError(f"{directory}: its tokenizer cannot be loaded: {_first(error)}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"{directory}: its tokenizer has no form that the `tokenizers` library reads")
    try:
        with _quiet():
            model, told = getattr(transformers, checkpoint.architecture).from_pretrained(
                directory,
                **_LOCAL,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="eager",
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that they are told, below
            )
    except Exception as error:  # likewise
        raise ModelError(f"{directory}: cannot be loaded as {checkpoint.architecture}: {_first(error)}") from error
    # transformers fills what is missing with random numbers.
    for what in ("missing_keys", "mismatched_keys"):
        names = sorted(str(name) for name in told[what])
        if names:
            raise ModelError(f"{directory}: weights: {what.split('_')[0]}: {', '.join(names[:5])}")
    model.eval()
    model.config.use_cache = False  # a classifier reads a text once
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    if model.config.pad_token_id is None:
        raise ModelError(f"{directory}: neither config.json nor the tokenizer names a padding token (pad_token_id)")
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= model.config.vocab_size:
        raise ModelError(
            f"{directory}: the tokenizer gives ids up to {highest}, vocab_size of config.json is "
            f"{model.config.vocab_size}"
        )
    return TorchModel(checkpoint, model, tokenizer)


def _inputs(model: Any, tokenizer: Any) -> tuple[str, ...]:
    names = ["input_ids", "attention_mask"]
    segments = getattr(model.config, "type_vocab_size", 0) or 0
    if "token_type_ids" in tokenizer.model_input_names and segments > 1:
        names.append("token_type_ids")
    return tuple(names)


def _positions(checkpoint: Checkpoint, model: Any, tokenizer: Any) -> int | None:
    known = [tokenizer.model_max_length] if tokenizer.model_max_length < 1 << 30 else []  # "unlimited" is a huge number
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and positions > 0:
        # RoBERTa counts positions from the one after its padding id.
        known.append(positions - model.config.pad_token_id - 1 if "roberta" in checkpoint.kind else positions)
    return min(known, default=None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the chatter of the libraries: what matters is raised or checked."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            transformers.utils.logging.disable_progress_bar()
            yield
    finally:
        logging.disable(before)


def _first(error: Exception) -> str:
    """The first line of what an exception says, or its name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
