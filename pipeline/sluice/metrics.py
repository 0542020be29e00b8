"""Every metric of the worker: name, type, unit, meaning. Times in seconds, sizes in characters or bytes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24)
"""Buckets double from 1 ms; the last ones are beyond any sensible deadline and show an outage."""


class Metrics:
    """The worker's metrics in a registry of their own, so that two workers in one process do not mix."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        r = self.registry = registry or CollectorRegistry()
        # Counter: frames read and decided.
        self.frames = Counter("sluice_frames", "Frames decided", registry=r)
        # Counter: deltas by what became of them: read, repeat (read before), after_stop (of a stopped stream).
        self.deltas = Counter("sluice_deltas", "Deltas by outcome", ["outcome"], registry=r)
        # Counter: code points of text read.
        self.characters = Counter("sluice_characters", "Code points moderated", registry=r)
        # Counter: orders by kind, reason and risk (risk is empty where the reason is not a finding).
        self.orders = Counter("sluice_orders", "Orders given", ["order", "reason", "risk"], registry=r)
        # Counter: findings recorded for review, by risk.
        self.flags = Counter("sluice_flags", "Findings flagged for review", ["risk"], registry=r)
        # Counter: watermarks that moved without a detector's answer (profile fails open).
        self.unscanned = Counter("sluice_passed_unscanned", "Watermarks moved unscanned", registry=r)
        # Counter: gaps in seq or start that began.
        self.gaps = Counter("sluice_gaps", "Gaps in a channel's deltas", registry=r)
        # Counter: times that the consumer skipped records, which were then read from the log.
        self.skipped_reads = Counter("sluice_skipped_reads", "Skipped records read from the log", registry=r)
        # Counter: records and deltas that could not be read, by reason.
        self.quarantined = Counter("sluice_quarantined", "Records put into quarantine", ["reason"], registry=r)
        # Histogram, seconds: from a frame's sent_at to its release being acknowledged by the broker. Two clocks.
        self.decision_latency = Histogram(
            "sluice_decision_latency_seconds", "Publish to decision", buckets=_LATENCY, registry=r
        )
        # Histogram, seconds: one call of the classifier's cheap stage, whatever its batch.
        self.skimming = Histogram(
            "sluice_skimming_seconds", "One call of the cheap stage", buckets=_LATENCY, registry=r
        )
        # Counter: units of text that were skimmed, counted once for each batch of frames that adds to them.
        self.units_skimmed = Counter("sluice_units_skimmed", "Units skimmed", registry=r)
        # Histogram, seconds: one call of the strong member (or of a model without a cheap stage), whatever its batch.
        self.judging = Histogram(
            "sluice_judging_seconds", "One call of the strong member", buckets=_LATENCY, registry=r
        )
        # Counter: units of text that the strong member has judged.
        self.units_judged = Counter("sluice_units_judged", "Units judged", registry=r)
        # Histogram, units: how many the strong member judged in one call.
        self.judge_batch = Histogram(
            "sluice_judge_batch", "Units in one call", buckets=(1, 2, 4, 8, 16, 32), registry=r
        )
        # Gauge: units that wait for the strong member.
        self.judge_queue = Gauge("sluice_judge_queue", "Units waiting to be judged", registry=r)
        # Histogram, seconds: how long a unit waited before its call began.
        self.judge_wait = Histogram("sluice_judge_wait_seconds", "Wait of one unit", buckets=_LATENCY, registry=r)
        # Counter: calls of the classifier that failed or did not answer in time, by stage: skim, judge.
        self.scoring_failures = Counter("sluice_scoring_failures", "Classifier calls failed", ["stage"], registry=r)
        # Counter: units that were not judged, because the call failed or because their turn came too late.
        self.unanswered = Counter("sluice_units_unanswered", "Units not judged", ["cause"], registry=r)
        # Gauge: streams that are live on this worker.
        self.open_streams = Gauge("sluice_open_streams", "Live streams", registry=r)
        # Gauge: partitions this worker has.
        self.partitions = Gauge("sluice_partitions", "Partitions assigned", registry=r)
        # Gauge: frames begun and not yet finished.
        self.queued_frames = Gauge("sluice_queued_frames", "Frames in the pipeline", registry=r)
        # Counter: entries written to the table of streams.
        self.table_writes = Counter("sluice_table_writes", "Entries written to the streams table", registry=r)
        # Histogram, seconds: one checkpoint, from its barrier to the committed offset.
        self.checkpoint = Histogram("sluice_checkpoint_seconds", "One checkpoint", buckets=_LATENCY, registry=r)
        # Gauge: 1 for the version of the lexicon that frames are judged by.
        self.lexicon = Gauge("sluice_lexicon", "Lexicon in use", ["version"], registry=r)
        # Counter: times that another lexicon was taken up while the worker ran.
        self.lexicon_swaps = Counter("sluice_lexicon_swaps", "Lexicons taken up", registry=r)
        # Counter: activated lexicons that were not taken up, by what was wrong.
        self.lexicon_refusals = Counter("sluice_lexicon_refusals", "Lexicons refused", ["reason"], registry=r)
        # Histogram, seconds: how long no frame was begun while the lexicon was exchanged.
        self.lexicon_swap = Histogram("sluice_lexicon_swap_seconds", "One exchange", buckets=_LATENCY, registry=r)

    def uses_lexicon(self, version: str) -> None:
        """Say which lexicon frames are judged by from now on."""
        self.lexicon.clear()
        self.lexicon.labels(version).set(1)
