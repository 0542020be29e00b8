"""One answer, from its first token to its end: a decoder that obeys, and a gate before the reader."""

from __future__ import annotations

import asyncio
import random
from contextlib import ExitStack
from typing import Literal

from sluice.client import DeliveryGate, ModerationClient, OrderWatch, OutputStream
from sluice.contract.decision import Order
from sluice.contract.frame import Channel
from sluice.demo.decoder import ScriptedDecoder
from sluice.demo.scripts import Script

__all__ = ["SETTLE_SECONDS", "State", "StreamRun"]

State = Literal["streaming", "released", "stopped", "unsettled"]

SETTLE_SECONDS = 20.0
"""After its last token a stream must have been decided. The gates' deadline comes long before."""
_SUPPORT_SECONDS = 3.0
"""The order to give a crisis answer is written right behind the one to stop."""


class StreamRun:
    """What happens to one stream. Its attributes may be read at any time, from the same event loop."""

    def __init__(self, stream_id: str, script: Script, rng: random.Random) -> None:
        self.id = stream_id
        self.script = script
        self.state: State = "streaming"
        self.channel: Channel = script.channels[0][0]
        """The one whose text was released last."""
        self.shown: dict[Channel, str] = {channel: "" for channel, _ in script.channels}
        """What the reader has."""
        self.deltas = 0
        self.characters = 0
        self.order: Order | None = None
        """What stopped it."""
        self.supported = False
        """A crisis answer was ordered, and given."""
        self.tokens_after = 0
        """Tokens decoded after the order had come."""
        self.held_mean = 0.0
        """Characters held back, mean over the deltas."""
        self.completed_at: float | None = None
        """When the delta that completes the violation was handed over; seconds of the loop's clock."""
        self.carried_out_at: float | None = None
        """When decoder and gate had both stopped."""
        self._rng = rng

    @property
    def leaked(self) -> int:
        """Characters of the violation, or after it, that the reader has: by the script, whatever the gate says."""
        violation = self.script.violation
        return 0 if violation is None else max(0, len(self.shown[violation.channel]) - violation.start)

    @property
    def stop_ms(self) -> float | None:
        """From handing over the delta that completes the violation until the stop was carried out."""
        if self.completed_at is None or self.carried_out_at is None:
            return None
        return (self.carried_out_at - self.completed_at) * 1000

    async def play(self, sluice: ModerationClient) -> None:
        """Generate, obey, deliver. Returns when it is over, within some seconds after the last token.

        Raises:
            UnavailableError: publishing, or reading the decisions, is not possible any more.
        """
        script = self.script
        stream = sluice.stream(self.id, profile=script.profile)
        supported = asyncio.Event()
        with ExitStack() as stack:
            watch = stack.enter_context(
                sluice.watch(self.id, lambda order: supported.set() if order.order == "support" else None)
            )
            gates: dict[Channel, DeliveryGate] = {
                channel: stack.enter_context(sluice.gate(self.id, script.profile, channel=channel, on_stop="end"))
                for channel, _ in script.channels
            }
            readers = [asyncio.create_task(self._read(channel, gate)) for channel, gate in gates.items()]
            try:
                await self._generate(stream, watch, gates)
                async with asyncio.timeout(SETTLE_SECONDS):
                    await asyncio.gather(*readers)
            except TimeoutError:
                self.state = "unsettled"
                return
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
                stream.close()
            await self._finish(watch, gates, supported)

    async def _generate(self, stream: OutputStream, watch: OrderWatch, gates: dict[Channel, DeliveryGate]) -> None:
        clock = asyncio.get_running_loop().time
        async for token in ScriptedDecoder(self.script, self._rng).tokens():
            watch.decoded()
            # A step that has begun is not broken off, as in a real server; its token goes nowhere.
            if watch.stopped.is_set() or any(gate.decision is not None for gate in gates.values()):
                break
            gates[token.channel].feed(token.text, token.final)
            self._note(stream, token.channel, len(token.text), clock())
            await stream.send(token.text, channel=token.channel, final=token.final)
            self.deltas += 1
            self.characters += len(token.text)
        watch.raise_if_failed()

    def _note(self, stream: OutputStream, channel: Channel, characters: int, now: float) -> None:
        violation = self.script.violation
        if violation is None or channel != violation.channel or self.completed_at is not None:
            return
        if stream.characters(channel) + characters >= violation.end:
            self.completed_at = now

    async def _read(self, channel: Channel, gate: DeliveryGate) -> None:
        async for text in gate:
            self.shown[channel] += text
            self.channel = channel

    async def _finish(self, watch: OrderWatch, gates: dict[Channel, DeliveryGate], supported: asyncio.Event) -> None:
        stats = [gate.stats for gate in gates.values()]
        fed = sum(stat.fed for stat in stats)
        self.held_mean = sum(stat.held_mean * stat.fed for stat in stats) / fed if fed else 0.0
        self.order = next((gate.decision for gate in gates.values() if gate.decision is not None), None)
        if self.order is None:
            self.state = "released"
            return
        if watch.order is not None:
            self.carried_out_at = asyncio.get_running_loop().time()
            self.tokens_after = watch.tokens_after
            await watch.acknowledge()
        self.state = "stopped"
        expect = self.script.expect
        if expect is not None and expect.support:
            try:
                async with asyncio.timeout(_SUPPORT_SECONDS):
                    await supported.wait()
            except TimeoutError:
                return
        if watch.support is not None:
            await watch.acknowledge(order=watch.support)
            self.supported = True
