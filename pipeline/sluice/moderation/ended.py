"""Streams that were stopped and channels that are complete: remembered, so that late or repeated deltas are known."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sluice.contract.decision import Order
from sluice.moderation.channel import ChannelState, Place

__all__ = ["Ended", "EndedChannel"]

Key = tuple[str, str]
"""Stream and channel."""


class EndedChannel(msgspec.Struct):
    """A complete channel."""

    next_seq: int
    profile: str
    """Name of the profile that its stream began with."""
    anchor: int
    """Offset of the first frame that its state was built from (or the one after its last snapshot)."""
    last: int
    """Offset of the frame that completed it."""
    stored: bool
    """Whether the table holds an entry for it."""
    marked: bool = False
    """Whether that entry says that it is complete."""
    context: str = ""
    """For a prompt: its end, which the first sentence of the answer is judged with."""
    final_at: Place | None = None
    """For a prompt: where its last delta stands in the log."""
    seen: float = 0.0
    """For a prompt: when that came, in seconds of the shard's clock."""


class Ended:
    """Bounded: beyond `limit` the oldest is forgotten first, of stopped streams and of channels alike."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.stopped: dict[str, bool] = {}
        """Stream to whether the table says so; oldest first."""
        self.owed: dict[str, list[Order]] = {}
        """By stopped stream: the orders in its entry of the table. An owner may have died before it wrote them."""
        self.channels: dict[Key, EndedChannel] = {}
        """Oldest first."""
        self.profiles: dict[str, str] = {}
        """By stream with a complete channel: the profile that holds for its further ones; oldest first."""
        self.recent: dict[Key, EndedChannel] = {}
        """Those that frames which may be read again still belong to, or that the table holds an entry for."""
        self.obsolete: set[Key] = set()
        """Entries of the table that mean nothing any more. A stopped stream's own entry has an empty channel."""

    def is_stopped(self, stream: str) -> bool:
        """Whether the stream was stopped."""
        return stream in self.stopped

    def next_seq(self, stream: str, channel: str) -> int | None:
        """One past the last seq of a complete channel; None when it is not known as complete."""
        ended = self.channels.get((stream, channel))
        return None if ended is None else ended.next_seq

    def stop(self, stream: str, stored: Iterable[ChannelState]) -> None:
        """Remember a stopped stream; its channels' entries in the table are not needed any more."""
        self.stopped[stream] = False
        self.obsolete.update((stream, channel.name) for channel in stored)
        if len(self.stopped) > self._limit:
            oldest = next(iter(self.stopped))
            self.owed.pop(oldest, None)
            if self.stopped.pop(oldest):
                self.obsolete.add((oldest, ""))

    def finish(self, channel: ChannelState, last: int) -> None:
        """Remember a complete channel."""
        ended = EndedChannel(channel.next_seq, channel.stream.profile.name, channel.anchor, last, channel.stored)
        if channel.name == "prompt" and channel.windows is not None:
            ended.context, ended.final_at, ended.seen = channel.windows.tail, channel.final_at, channel.last_seen
        self.add((channel.stream.id, channel.name), ended)

    def prompt(self, stream: str, before: Place) -> str:
        """The end of a stream's prompt, if that was complete before a place in the log; else nothing."""
        prompt = self.channels.get((stream, "prompt"))
        return prompt.context if prompt is not None and prompt.final_at is not None and prompt.final_at < before else ""

    def awaits_answer(self, key: Key, committed: int, oldest: float) -> bool:
        """Whether an answer that is begun, or read again, may need the end of this prompt; not for one that came before
        `oldest`."""
        prompt = self.channels.get(key)
        if prompt is None or not prompt.context or prompt.seen < oldest or self.is_stopped(key[0]):
            return False
        answer = self.channels.get((key[0], "answer"))
        return answer is None or answer.last >= committed

    def add(self, key: Key, ended: EndedChannel) -> None:
        """Remember a complete channel, as `finish` does."""
        self.channels[key] = self.recent[key] = ended
        self.profiles[key[0]] = ended.profile
        if len(self.profiles) > self._limit:
            del self.profiles[next(iter(self.profiles))]
        if len(self.channels) > self._limit:
            oldest = next(iter(self.channels))
            self.recent.pop(oldest, None)
            if self.channels.pop(oldest).stored:
                self.obsolete.add(oldest)
