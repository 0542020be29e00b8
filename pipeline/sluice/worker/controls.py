"""Follows `moderation.controls`: takes up the lexicon that is activated there, and tells what it uses.

Its consumer and its producer are its own and not Faust's: what becomes of this topic never touches the way of the
frames. Whatever is wrong with an activated lexicon, the one in use stays in use.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

from aiokafka import AIOKafkaProducer

from sluice.client.controls import ControlsReader
from sluice.contract.codec import VERSION, encode
from sluice.contract.controls import (
    ControlsView,
    LexiconActivation,
    LexiconRef,
    RefusedError,
    WorkerState,
    WorkerStatus,
    join,
    status_key,
)
from sluice.errors import LexiconError
from sluice.lexicon.bundle import decode_bundle
from sluice.lexicon.lexicon import Lexicon
from sluice.metrics import Metrics

__all__ = ["LexiconFollower", "build_lexicon"]

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_RETRY_SECONDS = 5.0
"""Between two tries to reach the topic, which may also be made only later."""
_REPORT_SECONDS = 20.0
"""Between two statuses when nothing changes. It also shows whether the topic can still be written to."""
_WRITE_SECONDS = 10.0
_LAST_WRITE_SECONDS = 2.0
_MAX_REASON = 500


class LexiconFollower:
    """Belongs to the event loop that runs it."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        slot: str,
        lexicon: Lexicon,
        *,
        use: Callable[[Lexicon], Awaitable[None]],
        metrics: Metrics,
    ) -> None:
        """Nothing is read yet.

        Args:
            lexicon: the one that the worker was started with.
            use: makes the worker judge by another one; what it raises is fatal.
        """
        self._bootstrap = bootstrap
        self._topic = topic
        self._slot = slot
        self._use = use
        self._metrics = metrics
        self._version = lexicon.version
        self._ref: LexiconRef | None = None  # where the one in use is on the topic
        self._activation = ""  # id of the last activation that was dealt with
        self._state: WorkerState = "active"
        self._reason = ""
        self._reader: ControlsReader | None = None
        self._producer: Any = None
        self._report_at = 0.0
        self._read = asyncio.Event()
        self._known = asyncio.Event()
        self._complained = ""

    async def ready(self, seconds: float) -> bool:
        """Wait until the active lexicon is in use. False when the topic could not be read within `seconds`: then the
        worker goes on with the lexicon that it was started with, and takes up another one as soon as it can."""
        try:
            await asyncio.wait_for(self._read.wait(), seconds)
        except TimeoutError:
            return False
        await self._known.wait()  # building it takes what it takes, and ends
        return True

    async def run(self) -> None:
        """Follow for as long as the worker lives."""
        while True:
            try:
                if self._reader is None and not await self._open():
                    self._read.set()
                    self._known.set()
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                if self._reader is not None:
                    await self._reader.poll(_POLL_SECONDS)
                    if self._reader.caught_up and time.monotonic() >= self._report_at and self._known.is_set():
                        await self._report()
            except Exception as error:  # noqa: BLE001 - whatever a client raises, frames go on being judged
                self._complain(f"{self._topic} cannot be followed: {error!r}")
                await self._close()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if self._reader is not None and self._reader.caught_up:
                self._read.set()
                await self._follow(self._reader.view)
                self._known.set()

    async def stop(self) -> None:
        """Say that the worker ends, if that can be said quickly, and let go of the connections. After `run` ended."""
        self._state = "stopped"
        try:
            if self._producer is not None:
                await asyncio.wait_for(self._report(), _LAST_WRITE_SECONDS)
        except Exception:  # noqa: BLE001 - its status then gets old, which says the same a minute later
            log.info("no last status on %s", self._topic)
        await self._close()

    async def _open(self) -> bool:
        reader = ControlsReader(self._bootstrap, self._topic)
        self._reader = reader
        if not await asyncio.wait_for(reader.start(), 2 * _WRITE_SECONDS):
            self._complain(f"there is no topic {self._topic}: the lexicon cannot be changed while the worker runs")
            await self._close()
            return False
        # Without idempotence: a status that is lost or repeated is replaced by the next.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, request_timeout_ms=int(_WRITE_SECONDS * 1000)
        )
        await asyncio.wait_for(self._producer.start(), 2 * _WRITE_SECONDS)
        self._complained = ""
        return True

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        producer, self._producer = self._producer, None
        for client in (reader.close() if reader else None, producer.stop() if producer else None):
            if client is not None:
                closing = asyncio.ensure_future(client)
                # aiokafka may take long, or raise CancelledError although nobody was cancelled.
                await asyncio.wait([closing], timeout=_WRITE_SECONDS)
                if not closing.done():
                    closing.cancel()
                elif not closing.cancelled():
                    closing.exception()

    async def _follow(self, view: ControlsView) -> None:
        """Deal with the last activation, unless that was done. Raises only what `use` does."""
        wanted = view.wanted
        if wanted is None or wanted.id == self._activation:
            return
        started_with = self._version if not self._activation else ""
        self._activation = wanted.id
        self._report_at = 0.0
        try:
            if not isinstance(wanted, LexiconActivation):
                raise RefusedError(wanted.reason)
            await self._take_up(view, wanted.bundle)
            self._state, self._reason = "active", ""
            log.info("lexicon %s is in use: activation %s of the topic", self._version, wanted.id)
            if started_with and started_with != self._version:
                log.info("the worker was started with lexicon %s; the topic's goes before it", started_with)
        except RefusedError as error:
            self._refuse(str(error))
            if started_with:
                await self._fall_back(view)
            log.error("activation %s refused, lexicon %s stays: %s", wanted.id, self._version, self._reason)
        for ref in _references(view, self._slot):
            view.forget(ref.sha256)

    def _refuse(self, reason: str) -> None:
        self._state, self._reason = "refused", reason[:_MAX_REASON]
        self._metrics.lexicon_refusals.labels(reason.partition(":")[0]).inc()

    async def _fall_back(self, view: ControlsView) -> None:
        """At the start: rather than what the worker was started with, use what it used before, or others still use."""
        wanted = view.wanted.bundle if isinstance(view.wanted, LexiconActivation) else None
        for ref in _references(view, self._slot):
            if ref == wanted:
                continue
            try:
                await self._take_up(view, ref)
            except RefusedError as error:
                log.info("lexicon %s cannot be used either: %s", ref.version, str(error)[:_MAX_REASON])
            else:
                return

    async def _take_up(self, view: ControlsView, ref: LexiconRef) -> None:
        """Use a lexicon of the topic.

        Raises:
            RefusedError: it cannot be used; nothing has changed.
        """
        lexicon = await asyncio.to_thread(build_lexicon, view.bundle(ref), ref, date.today())
        await self._use(lexicon)
        self._version, self._ref = lexicon.version, ref

    async def _report(self) -> None:
        status = WorkerStatus(
            v=VERSION,
            slot=self._slot,
            state=self._state,
            lexicon=self._version,
            at=time.time(),
            bundle=self._ref,
            activation=self._activation,
            reason=self._reason,
        )
        written = self._producer.send_and_wait(self._topic, encode(status), key=status_key(self._slot), partition=0)
        await asyncio.wait_for(written, _WRITE_SECONDS)
        self._report_at = time.monotonic() + _REPORT_SECONDS

    def _complain(self, message: str) -> None:
        """Once for each trouble, not at every try."""
        if message != self._complained:
            log.warning("%s", message)
        self._complained = message


def build_lexicon(chunks: list[bytes], ref: LexiconRef, today: date) -> Lexicon:
    """Check a bundle's pieces and compile what is in them. Takes seconds for a large one: call it in a thread.

    Raises:
        RefusedError: whatever is wrong with it.
    """
    # The collector would go through all that is being made, again and again, while every other thread waits. And it
    # need not ever: what is frozen is let go when nobody refers to it any more.
    gc.disable()
    try:
        content = decode_bundle(join(chunks, ref), "bundle")
        lexicon = Lexicon(content, today=today)
    except LexiconError as error:
        raise RefusedError(f"lexicon: {error}") from None
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(f"failed: {type(error).__name__}") from error
    finally:
        gc.freeze()
        gc.enable()
    if lexicon.version != ref.version:
        raise RefusedError(f"version: the bundle is {lexicon.version}, {ref.version} was announced")
    if lexicon.empty:
        raise RefusedError("empty: no term of it is valid today")
    return lexicon


def _references(view: ControlsView, slot: str) -> list[LexiconRef]:
    """All bundles that the topic speaks of: the activated one, this slot's last, others' with the newest first, and the
    one that was activated before."""
    wanted = view.wanted if isinstance(view.wanted, LexiconActivation) else None
    statuses = sorted(view.statuses.values(), key=lambda s: (s.slot != slot, -s.at))
    found = [wanted.bundle] if wanted else []
    found += [status.bundle for status in statuses if status.bundle is not None]
    if wanted is not None and wanted.replaces is not None:
        found.append(wanted.replaces)
    return list(dict.fromkeys(found))
