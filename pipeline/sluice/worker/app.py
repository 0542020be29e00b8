"""The worker: a Faust application around the pipeline.

Faust does group membership, fetching and table recovery. It does not acknowledge anything: its own acknowledgements
lose messages when an agent raises, when a produce fails, and when they come out of order. The outputs topic is read
with `acks=False`, and offsets are committed by the worker alone, at checkpoints.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Coroutine
from datetime import date
from pathlib import Path
from typing import Any

import faust
from faust.types import TP
from prometheus_client import start_http_server

from sluice import shipped
from sluice.errors import InputError
from sluice.lexicon.lexicon import Lexicon
from sluice.metrics import Metrics
from sluice.moderation.checkpoint import restore
from sluice.moderation.detector import Scorer
from sluice.moderation.detectors import Detectors, keyed_hasher, without_classifier
from sluice.moderation.shard import Shard
from sluice.policy import Policy
from sluice.worker.controls import LexiconFollower
from sluice.worker.pipeline import Pipeline
from sluice.worker.record import Record
from sluice.worker.settings import WorkerSettings
from sluice.worker.sink import KafkaSink
from sluice.worker.source import SeekingApp, between
from sluice.worker.table import StreamsTable

__all__ = ["build_app", "load_detectors", "run_worker"]

log = logging.getLogger(__name__)

_TAKE_FRAMES = 128
_TAKE_SECONDS = 0.002
"""How long `noack_take` may gather frames; it is added to the latency of each."""
_TICK_SECONDS = 0.05
_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter when another waits. With CPython's 5 ms the scoring thread, which needs it
for a moment many times a call, waits longer than it works."""


def load_detectors(settings: WorkerSettings) -> Detectors:
    """Load policy, lexicon and model.

    Raises:
        InputError: one of them is not what it must be; a worker does not start without what its profiles need.
    """
    policy = Policy.load(settings.policy) if settings.policy else Policy.shipped()
    if "lexicon" not in settings.detectors:
        raise InputError("the lexicon cannot be left out: it is the floor that is always on")
    if "classifier" not in settings.detectors:
        policy = without_classifier(policy)
    lexicon = Lexicon.load(settings.lexicon or shipped.lexicon_directory(), today=date.today())
    scorer: Scorer | None = None
    if any("classifier" in profile.detectors for profile in policy.profiles.values()):
        from sluice.classifier import load_model

        scorer = load_model(
            settings.model or shipped.model_directory(), provider=settings.provider, threads=settings.threads
        )
    return Detectors(lexicon, scorer, policy, hasher=keyed_hasher(settings.hash_key))


def build_app(settings: WorkerSettings, detectors: Detectors, metrics: Metrics) -> faust.App:
    """The Faust application of one worker process."""
    app = SeekingApp(
        settings.app_id,
        broker=[f"kafka://{address}" for address in settings.bootstrap.split(",")],
        store="memory://",
        web_enabled=False,
        # Nothing is kept there with tables in memory, but Faust makes it, by default in the working directory.
        datadir=str(Path(tempfile.gettempdir()) / f"sluice-{settings.app_id}"),
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        topic_allow_declare=not settings.mock_broker,
        # Static membership: a worker that comes back in its slot has its partitions at once, without a rebalance.
        consumer_group_instance_id=None if settings.mock_broker else settings.slot,
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 6,
        broker_request_timeout=max(30.0, settings.session_timeout * 2),
        # Faust's wait for "all messages acknowledged" would never end: none is acknowledged to it.
        stream_wait_empty=False,
        stream_buffer_maxsize=4096,
        table_standby_replicas=0,
        agent_supervisor="mode.CrashingSupervisor",
        producer_request_timeout=15.0,
    )
    sink = KafkaSink(settings.bootstrap)
    table = StreamsTable(app, sink, settings.app_id, settings.partitions)

    def position(partition: int) -> TP:
        return TP(settings.topics.outputs, partition)

    async def new_shard(partition: int) -> Shard:
        consumer: Any = app.consumer
        # What Faust found when it took up the partition; None also stands for a commit of 0.
        offset = consumer._committed_offset[position(partition)]
        if offset is None:
            offset = (await consumer.earliest_offsets(position(partition)))[position(partition)]
        entries = table.entries()
        log.info("partition %d goes on at offset %d; the table has %d entries", partition, offset, len(entries))
        # Asked for under the pipeline's lock, so no exchange of the lexicon comes between.
        shard = Shard(partition, pipeline.detectors, settings.limits)
        restore(shard, entries, committed=offset, now=time.monotonic())
        return shard

    def read_between(partition: int, start: int, end: int) -> AsyncIterator[Record]:
        log.warning("partition %d: offsets %d to %d were skipped and are read from the log", partition, start, end - 1)
        return between(settings.bootstrap, settings.topics.outputs, partition, start, end)

    pipeline = Pipeline(
        detectors,
        settings.limits,
        settings.topics,
        sink,
        metrics,
        new_shard=new_shard,
        between=read_between,
        store=table.write,
        scoring_deadline=settings.scoring_deadline,
        judge_wait=settings.judge_wait,
    )

    async def use(lexicon: Lexicon) -> None:
        await pipeline.use(pipeline.detectors.with_lexicon(lexicon))

    follower = LexiconFollower(
        settings.bootstrap, settings.topics.controls, settings.slot, detectors.lexicon, use=use, metrics=metrics
    )
    outputs = app.topic(
        settings.topics.outputs,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        partitions=settings.partitions,
        acks=False,
        allow_empty=True,
    )

    async def commit(offsets: dict[int, int]) -> bool:
        consumer: Any = app.consumer
        return bool(await consumer._commit({position(p): offset for p, offset in offsets.items()}))

    @app.agent(outputs, concurrency=1, name="moderate")
    async def moderate(stream: Any) -> AsyncIterator[None]:
        await started.wait()
        async for events in stream.noack_take(_TAKE_FRAMES, within=_TAKE_SECONDS):
            generation = app.consumer_generation_id
            records = [
                Record(e.message.partition, e.message.offset, e.message.value or b"")
                for e in events
                # Taken before a rebalance: whoever has the partition now reads it again.
                if e.message.generation_id == generation
            ]
            await _or_die(pipeline.take(records))
            yield

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def revoked(_sender: Any, *_args: Any, **_kwargs: Any) -> None:
        pipeline.drop()

    async def ticks() -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await pipeline.tick()

    async def checkpoints() -> None:
        while True:
            await asyncio.sleep(settings.checkpoint_every)
            _check_reading(app)
            if not app.rebalancing:
                # A rebalance from here on makes this void: what comes is not ours before Faust has its table.
                epoch = pipeline.epoch
                await pipeline.checkpoint(settings.max_reread, commit)
                await pipeline.catch_up(await ends(), epoch)

    async def ends() -> dict[int, int]:
        consumer: Any = app.consumer
        mine = [tp for tp in consumer.assignment() if tp.topic == settings.topics.outputs]
        return {tp.partition: end for tp, end in (await consumer.highwaters(*mine)).items()} if mine else {}

    tasks: list[asyncio.Task[None]] = []
    started = asyncio.Event()

    @app.task  # type: ignore[untyped-decorator]
    async def start() -> None:
        await sink.start()
        tasks.append(asyncio.create_task(_or_die(follower.run())))
        if not await follower.ready(settings.controls_wait):
            log.warning("%s could not be read: starting with the lexicon at hand", settings.topics.controls)
        tasks.extend(asyncio.create_task(_or_die(work)) for work in (pipeline.run(), ticks(), checkpoints()))
        started.set()
        log.info("worker %s is ready, with lexicon %s", settings.slot, pipeline.detectors.lexicon.version)

    @app.on_before_shutdown.connect  # type: ignore[arg-type]
    async def stop(_sender: Any, *_args: Any, **_kwargs: Any) -> None:
        # A last checkpoint leaves the next owner nothing to read again.
        if not app.rebalancing and tasks:
            try:
                await asyncio.wait_for(pipeline.checkpoint(0.0, commit), timeout=3.0)
            except Exception:  # noqa: BLE001 - without it more is read again, nothing is lost
                log.warning("no last checkpoint: what was not committed will be read again")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await follower.stop()
        await sink.stop()
        pipeline.close()

    return app


def _check_reading(app: faust.App) -> None:
    """Whether frames can still come. Faust goes on without the thread that fetches; and an error of the group that
    aiokafka keeps for the next fetch is never seen, because without partitions Faust fetches nothing.

    Raises:
        RuntimeError: none would ever come again.
    """
    owner: Any = app.consumer
    thread = owner._thread
    if thread._thread is not None and not thread._thread.is_alive():
        raise RuntimeError("the consumer's thread has ended")
    coordinator = getattr(thread._consumer, "_coordinator", None)
    error = getattr(coordinator, "_pending_exception", None)
    task = getattr(coordinator, "_coordination_task", None)
    if error is not None or (task is not None and task.done()):
        raise RuntimeError(f"the consumer has left its group: {error!r}")


async def _or_die(work: Coroutine[Any, Any, None]) -> None:
    """Going on after a failure could acknowledge what was not decided, so the process ends instead; its supervisor
    starts it again and it reads on from the last commit."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        os._exit(70)


def run_worker(settings: WorkerSettings) -> None:
    """Run a worker until it is told to stop (SIGTERM, SIGINT). Blocks; ends the process.

    Raises:
        InputError: policy, lexicon or model cannot be used; nothing was started.
    """
    detectors = load_detectors(settings)
    # What is loaded now lives as long as the process; the collector need not look at it ever again.
    gc.freeze()
    sys.setswitchinterval(_SWITCH_SECONDS)
    metrics = Metrics()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr="127.0.0.1", registry=metrics.registry)
    app = build_app(settings, detectors, metrics)
    worker = faust.Worker(app, loglevel="info", console_port=0, blocking_timeout=None, redirect_stdouts=False)
    worker.execute_from_commandline()
