"""The strong member while it is trained: the base encoder with one output per head, and its input."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertModel

from sluice.text.fold import fold_text

MAX_TOKENS = 192
CONTEXT_TOKENS = 64

Row = tuple[list[int], int]
"""Token ids of a context and a text, and how many of them belong to the context (`[CLS]` and `[SEP]` counted)."""


class Encoder(nn.Module):
    """Logits `(batch, heads)` from the first position and the mean over all of them."""

    def __init__(self, bert: BertModel, heads: int) -> None:
        super().__init__()
        self.bert = bert
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(2 * bert.config.hidden_size, heads)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """`input_ids`, `attention_mask` and `token_type_ids` are `(batch, length)` int64."""
        hidden = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1)
        logits: Tensor = self.out(self.drop(torch.cat([hidden[:, 0], mean], dim=1)))
        return logits


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns contexts and texts into rows of token ids."""

    tokenizer: Tokenizer

    @classmethod
    def of(cls, content: dict[str, Any]) -> Reader:
        """For the content of a `tokenizer.json`."""
        return cls(Tokenizer.from_str(json.dumps(content)))

    @classmethod
    def load(cls, path: Path) -> Reader:
        """For a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)))

    def rows(self, contexts: Sequence[str], texts: Sequence[str]) -> list[Row]:
        """The rows, each of at most `MAX_TOKENS` ids: of a long context the end, of a long text the beginning."""
        cls_id, sep_id = (self.tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
        before, after = (
            [one.ids for one in self.tokenizer.encode_batch([fold_text(t) for t in of], add_special_tokens=False)]
            for of in (contexts, texts)
        )
        rows = []
        for context, text in zip(before, after, strict=True):
            room = min(CONTEXT_TOKENS, MAX_TOKENS - 3 - len(text))
            context = context[-room:] if room > 0 else []
            start = [cls_id, *context, sep_id] if context else [cls_id]
            rows.append(([*start, *text[: MAX_TOKENS - len(start) - 1], sep_id], len(start) if context else 0))
        return rows


def batch_of(rows: Sequence[Row], pad: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Rows as the tensors that `Encoder` takes, padded to the longest."""
    length = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), length), pad)
    mask, kind = torch.zeros_like(ids), torch.zeros_like(ids)
    for number, (row, context) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
        if context:
            kind[number, context : len(row)] = 1
    return ids, mask, kind


def buckets(lengths: NDArray[np.int64], order: NDArray[np.int64], tokens: int) -> Iterator[NDArray[np.int64]]:
    """Batches of like length along `order`, each with at most `tokens` ids, padding included."""
    span = 3_000  # rows among which lengths are matched; the order stays random beyond it
    for start in range(0, len(order), span):
        part = order[start : start + span]
        part = part[np.argsort(lengths[part], kind="stable")]
        begin = 0
        for end in range(1, len(part) + 1):
            if end == len(part) or (end + 1 - begin) * lengths[part[end]] > tokens:
                yield part[begin:end]
                begin = end


def logits_of(model: Encoder, rows: Sequence[Row], tokens: int = 8_192) -> NDArray[np.float32]:
    """Logits of rows in their order, without gradients."""
    lengths = np.array([len(ids) for ids, _ in rows])
    found = np.zeros((len(rows), model.out.out_features), dtype=np.float32)
    model.eval()
    device = device_of(model)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for chosen in buckets(lengths, np.argsort(lengths, kind="stable"), tokens):
            batch = batch_of([rows[n] for n in chosen])
            found[chosen] = model(*(part.to(device) for part in batch)).float().cpu().numpy()
    return found


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


def fastest_device() -> torch.device:
    """A GPU if torch finds one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
