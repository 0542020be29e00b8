"""Fine-tunes the strong member: first on the public sets, then on the mix with the project's own texts.

Seeded, and resumable: a checkpoint every few hundred steps, taken up again when the same command is given.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional

from augment import Augmenter
from data import OWN, Example, stable_fraction
from encoder import Encoder, Reader, batch_of, buckets, device_of, logits_of
from heads import HEADS


@dataclass(frozen=True, slots=True)
class Phase:
    """One pass over a share of every source; a share above 1 takes texts more than once, in other forms."""

    name: str
    shares: Mapping[str, float]
    rate: float
    """Learning rate at the phase's begin; it falls to `end` of it."""
    end: float = 0.1
    preceded: float = 0.2
    """Share of the texts that something harmless is put before."""


ORDINARY = {
    "kdconv": 0.15,
    "niutrans": 0.1,
    "cvalues": 0.5,
    "safetyqa": 0.5,
    "jade_safe": 0.8,
    "python_help": 0.25,
    "reviews": 0.1,
}
"""Shares of the ordinary text."""

PHASES = (
    Phase("public", {"cold": 0.8, "swsr": 0.8, "davidson": 0.8, "openai": 0.8, **ORDINARY}, 6e-5, 0.5),
    Phase("mix", {OWN: 1.5, "cold": 0.4, "swsr": 0.4, "davidson": 0.5, "openai": 0.6, **ORDINARY}, 5e-5, 0.5),
    Phase("end", {OWN: 1.0, "cold": 0.3, "swsr": 0.2, "davidson": 0.2, "openai": 0.2, **ORDINARY}, 2.5e-5, 0.02),
    # On a stream nearly every sentence has one before it, and what answers say before they go wrong is mostly safe.
    Phase(
        "context", {OWN: 1.0, "cold": 0.2, "swsr": 0.1, "davidson": 0.1, "openai": 0.1, **ORDINARY}, 2.5e-5, 0.02, 0.6
    ),
    # The same texts in other forms, disguises and contexts.
    Phase("again", {OWN: 1.0, "cold": 0.2, "swsr": 0.2, "davidson": 0.2, "openai": 0.2, **ORDINARY}, 2.5e-5, 0.02, 0.5),
)

NOISE = {"cold": (0.05, 0.92), "swsr": (0.05, 0.92), "davidson": (0.03, 0.93), "openai": (0.03, 0.95)}
"""What a label of 0 and of 1 is worth in the sets whose annotators often disagree."""

REMEMBERED = 0.5
"""Weight of the first phase's own scores beside the labels of these sets in the phases after it. That model has met
each text once at most and knows none by heart: it softens odd labels, and what it has learned is not overwritten."""

BATCH_TOKENS = 2_560
WARM_UP = 200
AVERAGE = 0.998
"""Weight of the past in the running mean of the weights, which is what is kept: it forgets single noisy batches."""
CHECKPOINT_STEPS = 300


def fine_tune(
    model: Encoder,
    reader: Reader,
    examples: Sequence[Example],
    *,
    phases: Sequence[Phase] = PHASES,
    seed: int = 1,
    checkpoints: Path,
) -> None:
    """Train `model` in place; at the end it holds the averaged weights."""
    optimizer = torch.optim.AdamW(_groups(model), weight_decay=0.01, fused=True)
    mean = {name: value.detach().clone() for name, value in model.state_dict().items()}
    first, begin = _resume(checkpoints / "last.pt", model, optimizer, mean)
    torch.manual_seed(seed)
    device = device_of(model)
    for number, phase in enumerate(phases[first:], first):
        first_phase = _as_saved(model, _weights(checkpoints, phases[0])) if number else None
        plan = _Plan(examples, reader, phase, seed + number, first_phase)
        warm_up = 0 if number else WARM_UP
        with Progress() as progress:
            task = progress.add_task(f"{phase.name}: {len(plan.order)} texts", total=len(plan.batches), completed=begin)
            loss_sum = 0.0
            for at in range(begin, len(plan.batches)):
                chosen = plan.batches[at]
                rate = phase.rate * (1 - (1 - phase.end) * at / len(plan.batches)) * min(1.0, (at + 1) / (warm_up + 1))
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["times"]
                model.train()
                with torch.autocast(device.type, torch.bfloat16):
                    logits = model(*(part.to(device) for part in batch_of([plan.rows[n] for n in chosen])))
                loss = masked_loss(logits.float(), *(part.to(device) for part in plan.targets(chosen)))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                # The first steps say little and are soon forgotten.
                _average(mean, model, AVERAGE if number else min(AVERAGE, (at + 1) / (at + 11)))
                loss_sum += loss.item()
                mean_loss = loss_sum / (at + 1 - begin)
                progress.update(task, advance=1, description=f"{phase.name}: mean loss {mean_loss:.4f}")
                if (at + 1) % CHECKPOINT_STEPS == 0:
                    _save(checkpoints / "last.pt", model, optimizer, mean, (number, at + 1))
        begin = 0
        torch.save(mean, _weights(checkpoints, phase))
        _save(checkpoints / "last.pt", model, optimizer, mean, (number + 1, 0))
    model.load_state_dict(mean)


class _Plan:
    """One phase: which texts, in which form, in which batches."""

    def __init__(
        self, examples: Sequence[Example], reader: Reader, phase: Phase, seed: int, first_phase: Encoder | None
    ) -> None:
        chosen = [example for example in examples for _ in range(times(example, phase, seed))]
        augmenter = Augmenter(_harmless(examples), seed, preceded=phase.preceded)
        forms = [augmenter.form(example) for example in chosen]
        self.rows = reader.rows([context for context, _ in forms], [text for _, text in forms])
        self._labels = np.array([label_row(example) for example in chosen], dtype=np.float32)
        if first_phase is not None:
            noisy = [n for n, example in enumerate(chosen) if example.source in NOISE]
            self._labels[noisy] = remembered(self._labels[noisy], logits_of(first_phase, [self.rows[n] for n in noisy]))
        rng = np.random.default_rng(seed)
        self.order = rng.permutation(len(chosen))
        lengths = np.array([len(ids) for ids, _ in self.rows])
        self.batches = list(buckets(lengths, self.order, BATCH_TOKENS))
        rng.shuffle(self.batches)

    def targets(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Labels and a mask of those that are known, `(batch, heads)`."""
        labels = torch.from_numpy(self._labels[chosen])
        return labels.clamp(min=0), (labels >= 0).float()


def _harmless(examples: Sequence[Example]) -> list[list[str]]:
    """What may stand before a text, source by source."""
    found: dict[str, list[str]] = {}
    for example in examples:
        own = example.source == OWN and example.kind == "contrast" and not example.context
        if (own or example.kind == "neutral") and 4 <= len(example.text) <= 80:
            found.setdefault(example.source, []).append(example.text)
    return list(found.values())


def label_row(example: Example) -> list[float]:
    """What is known of a text, head by head; -1 for what is not."""
    low, high = NOISE.get(example.source, (0.0, 0.98))
    values = {None: -1.0, 0: low if example.kind != "neutral" else 0.0, 1: high}
    return [values[example.labels.get(head)] for head in HEADS]


def remembered(labels: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Labels softened by the first phase's scores; what is not known (-1) stays so."""
    return np.where(labels < 0, labels, (1 - REMEMBERED) * labels + REMEMBERED * expit(logits))


def masked_loss(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy over the labels that are known, summed over heads, mean over texts."""
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * known).sum(1).mean()


def times(example: Example, phase: Phase, seed: int) -> int:
    """How often a phase draws a text."""
    share = phase.shares.get(example.source, 0.0)
    return int(share) + (stable_fraction(f"{seed} {example.context} {example.text}") < share % 1)


def _groups(model: Encoder) -> list[dict[str, object]]:
    """The new layer learns faster than the encoder."""
    return [{"params": model.bert.parameters(), "times": 1.0}, {"params": model.out.parameters(), "times": 10.0}]


def _weights(checkpoints: Path, phase: Phase) -> Path:
    """Where the averaged weights after a phase are kept."""
    return checkpoints / f"{phase.name}.pt"


def _as_saved(model: Encoder, path: Path) -> Encoder:
    found = copy.deepcopy(model)
    found.load_state_dict(torch.load(path, weights_only=True))
    return found


def _average(mean: dict[str, Tensor], model: Encoder, keep: float) -> None:
    with torch.no_grad():
        for name, value in model.state_dict().items():
            mean[name].lerp_(value, 1 - keep)


def _save(
    path: Path, model: Encoder, optimizer: torch.optim.Optimizer, mean: dict[str, Tensor], place: tuple[int, int]
) -> None:
    """`place` is the phase, and the batch of it, to go on with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "mean": mean, "place": place}
    torch.save(states, part)
    part.replace(path)


def _resume(path: Path, model: Encoder, optimizer: torch.optim.Optimizer, mean: dict[str, Tensor]) -> tuple[int, int]:
    if not path.is_file():
        return 0, 0
    saved = torch.load(path, map_location=device_of(model), weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    mean.update(saved["mean"])
    phase, batch = saved["place"]
    return phase, batch
