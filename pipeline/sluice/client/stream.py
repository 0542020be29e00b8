"""One generated answer on its way out: counts seq and start for the caller, and checks before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.contract.frame import CHANNELS, Channel, Delta
from sluice.errors import InputError, LimitError

if TYPE_CHECKING:
    from sluice.client.publisher import OutputPublisher

__all__ = ["OutputStream"]


class _ChannelCount:
    __slots__ = ("final", "length", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.length = 0
        self.final = False


class OutputStream:
    """Made by `OutputPublisher.stream`. Not thread-safe.

    Send to one channel from one task: between two tasks there is no order that could be kept.
    """

    def __init__(self, publisher: OutputPublisher, stream_id: str, profile: str) -> None:
        self.id = stream_id
        self.profile = profile
        self._publisher = publisher
        self._channels: dict[Channel, _ChannelCount] = {}

    async def send(self, text: str, *, channel: Channel = "answer", final: bool = False, split: bool = False) -> None:
        """Hand over the next text of a channel. Returns when there is room for it, not when it is published.

        Args:
            text: may be empty, e.g. to end a channel. Whole characters: a pair of surrogates that is cut in two,
                as from JavaScript, is refused.
            channel: which of the stream's texts it belongs to.
            final: it is the channel's last.
            split: cut a text above `Limits.delta_chars` into several deltas instead of refusing it.

        Raises:
            InputError: the text cannot be sent as it is, or the channel has ended; nothing was sent.
            LimitError: the text or the channel is too long; nothing was sent.
            UnavailableError: the publisher is broken: an earlier frame was not written.
        """
        count = self._check(text, channel, final)
        limits = self._publisher.limits
        if len(text) > limits.delta_chars and not split:
            raise LimitError(
                f"stream {self.id!r}: a delta of {len(text)} characters; the limit is {limits.delta_chars}:"
                " split it, or pass split=True"
            )
        if count.length + len(text) > limits.channel_chars:
            raise LimitError(
                f"stream {self.id!r}: channel {channel} would have {count.length + len(text)} characters;"
                f" the limit is {limits.channel_chars}"
            )
        if len(text) <= limits.delta_chars:
            await self._send(count, channel, text, final)
            return
        for start in range(0, len(text), limits.delta_chars):
            end = start + limits.delta_chars
            await self._send(count, channel, text[start:end], final and end >= len(text))

    async def finish(self, channel: Channel = "answer") -> None:
        """End a channel: sends an empty last delta. Nothing, if it has ended already.

        Do this also when generation is broken off: what is not ended stays open at the worker until it is stopped as
        `idle`.

        Raises:
            UnavailableError: the publisher is broken: an earlier frame was not written.
        """
        known = self._channels.get(channel)
        if known is None or not known.final:
            await self.send("", channel=channel, final=True)

    def close(self) -> None:
        """Count it no longer as open, although some channel was not ended; after a stop, say. Sends nothing."""
        self._publisher.forget(self)

    def characters(self, channel: Channel = "answer") -> int:
        """Characters handed over so far."""
        known = self._channels.get(channel)
        return 0 if known is None else known.length

    def _check(self, text: object, channel: object, final: object) -> _ChannelCount:
        if not isinstance(text, str):
            raise InputError(f"stream {self.id!r}: text must be a str, not {type(text).__name__}")
        if not isinstance(final, bool):
            raise InputError(f"stream {self.id!r}: final must be a bool, not {type(final).__name__}")
        if channel not in CHANNELS:
            raise InputError(f"stream {self.id!r}: channel must be one of {', '.join(CHANNELS)}")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"stream {self.id!r}: a lone surrogate at index {error.start} of the text is no character"
                ) from None
        count = self._channels.get(channel)
        if count is None:
            count = self._channels[channel] = _ChannelCount()
        elif count.final:
            raise InputError(f"stream {self.id!r}: channel {channel} has ended; nothing can follow its final delta")
        return count

    async def _send(self, count: _ChannelCount, channel: Channel, text: str, final: bool) -> None:
        await self._publisher.room(len(text))
        # No await from here on, so that seq, start and place in the frame belong together.
        if count.final:
            raise InputError(f"stream {self.id!r}: channel {channel} has ended; nothing can follow its final delta")
        self._publisher.put(Delta(self.id, count.seq, count.length, text, channel, final, self.profile))
        count.seq += 1
        count.length += len(text)
        count.final = final
        if final and all(c.final for c in self._channels.values()):
            self._publisher.forget(self)
