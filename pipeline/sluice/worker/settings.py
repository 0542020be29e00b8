"""What a worker has to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from sluice.contract.limits import Limits
from sluice.contract.topics import Topics

__all__ = ["WorkerSettings"]


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one worker process. Times in seconds."""

    bootstrap: str
    """Kafka brokers, `host:port[,host:port…]`."""
    slot: str
    """Stable name of this worker's place: a worker restarted in the same slot takes up its partitions at once."""
    app_id: str = "sluice"
    """Consumer group; also the beginning of the name of the table's changelog topic."""
    topics: Topics = Topics()
    limits: Limits = Limits()
    policy: Path | None = None
    """Policy file; None for the shipped profiles."""
    lexicon: Path | None = None
    """Lexicon directory or bundle, None for the shipped one; only until one is activated on the controls topic."""
    model: Path | None = None
    """Model directory; None for the shipped one."""
    detectors: tuple[str, ...] = ("lexicon", "classifier")
    """Detectors this worker runs. Without `classifier`, profiles that need it are narrowed to the lexicon."""
    hash_key: bytes | None = None
    """Secret of the keyed hash of findings; None makes hashes that compare only within one process."""
    partitions: int = 4
    """Partitions of outputs, and so of the changelog."""
    metrics_port: int = 0
    """Port of the Prometheus endpoint on 127.0.0.1; 0 for none."""
    max_reread: float = 5.0
    """Log that may have to be read again after a crash."""
    checkpoint_every: float = 1.0
    scoring_deadline: float = 3.0
    """After this a classifier call counts as not answered, and the profile's failure outcome holds."""
    judge_wait: float = 0.005
    """How long a sentence may wait for others that the strong member judges with it."""
    provider: Literal["cpu", "cuda"] = "cpu"
    """Where a transformer runs; models of n-grams always run on the CPU."""
    threads: int = 1
    """Of one run of a transformer on the CPU."""
    session_timeout: float = 6.0
    """After this without a heartbeat the group gives the worker's partitions away. Kafka's own floor is 6 s."""
    controls_wait: float = 30.0
    """How long a start waits for the controls topic before it goes on with `lexicon`."""
    mock_broker: bool = False
    """The broker is librdkafka's mock: it cannot create topics and confuses static members that join together."""
