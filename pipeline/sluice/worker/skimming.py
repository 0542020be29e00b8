"""The cheap stage of the classifier: what many frames have added to their channels, skimmed together."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sluice.metrics import Metrics
from sluice.moderation.detector import Scorer
from sluice.moderation.steps import Step, skimming
from sluice.worker.calls import Caller

__all__ = ["SkimStage"]

_UNITS_AT_ONCE = 256
"""Units in one call of the skimmer, so that its deadline is about a model that hangs and not about a backlog."""


class SkimStage:
    """Belongs to one event loop."""

    def __init__(self, metrics: Metrics, deadline: float) -> None:
        """`deadline`: seconds that one call may take."""
        self._metrics = metrics
        self._caller = Caller("skim", deadline)

    async def skim(self, scorer: Scorer | None, steps: Sequence[Step]) -> None:
        """Have the scorer's skimmer, if there is one, read what these steps have added to their channels."""
        skim, metrics = skimming(steps), self._metrics
        if scorer is None or scorer.skimmer is None:
            return
        for start in range(0, len(skim.units), _UNITS_AT_ONCE):
            pieces = skim.pieces[start : start + _UNITS_AT_ONCE]
            began = time.perf_counter()
            answer = await self._caller.call(scorer.skimmer.skim, skim.states[start : start + len(pieces)], pieces)
            if not skim.take(start, len(pieces), answer, len(scorer.heads)):
                metrics.scoring_failures.labels("skim").inc()
                continue
            metrics.skimming.observe(time.perf_counter() - began)
            metrics.units_skimmed.inc(len(pieces))

    def close(self) -> None:
        """Let go of the thread, without waiting for a call that hangs."""
        self._caller.close()
