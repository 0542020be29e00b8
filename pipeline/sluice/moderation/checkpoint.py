"""How a shard comes back after a crash: what is read again, and what is written to the table instead.

A frame may be committed only when no live channel needs it to be rebuilt. A channel that would hold the commit back
for too long gets its bounded state written to the table; then it needs only what comes after. At a checkpoint first
the table is written, then the offset is committed, so that whatever happens between the two, reading on from the
older offset with the newer entries gives the same state: a channel skips what it has already read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from sluice.contract.decision import Order
from sluice.contract.frame import Channel
from sluice.moderation.ended import EndedChannel, Key
from sluice.moderation.shard import Shard

__all__ = ["Checkpoint", "Entry", "plan_checkpoint", "restore", "stopped_entries"]


class Entry(msgspec.Struct, omit_defaults=True):
    """One value of the table. Its key is `[partition, stream, channel]` in JSON; of a stopped stream, no channel."""

    kind: Literal["stopped", "complete", "live"]
    next_seq: int = 0
    last: int = 0
    upto: int = 0
    """For a live channel: offset of the first frame that its state does not hold."""
    producer: str = ""
    profile: str = ""
    state: dict[str, Any] = {}
    context: str = ""
    """For a complete prompt: its end, which the first sentence of the answer is judged with."""
    final_at: tuple[int, int] | None = None
    orders: list[Order] = []
    """For a stopped stream: the orders that stop it, until it is certain that they are written."""


class Checkpoint(msgspec.Struct):
    """What to do, in this order."""

    writes: list[tuple[bytes, bytes | None]]
    """Keys and values for the table; None deletes."""
    commit: int
    """Offset from which to read after a crash, once the writes are safe."""


_encode = msgspec.json.encode
_key_decoder = msgspec.json.Decoder(tuple[int, str, str])
_entry_decoder = msgspec.json.Decoder(Entry)


def plan_checkpoint(shard: Shard, *, decided: int, committed: int, now: float, max_age: float) -> Checkpoint:
    """Make ready to move the commit forward. Only when every frame up to `decided` is finished and no later one begun.

    Args:
        shard: changed so as if the writes were made; they must be made, or the process must end.
        decided: offset of the last frame whose decisions the broker has acknowledged.
        committed: offset that is committed now; entries needed only before it are deleted.
        now: seconds of the monotonic clock that the shard was driven with.
        max_age: seconds of log that may have to be read again.
    """
    partition, ended = shard.partition, shard.ended
    writes: list[tuple[bytes, bytes | None]] = []
    writes += stopped_entries(
        shard, [stream for stream, stored in ended.stopped.items() if not stored or stream in ended.owed]
    )
    commit = decided + 1
    for live in shard.streams.values():
        for channel in live.channels.values():
            if now - channel.anchor_time >= max_age / 2 and channel.storable:
                # Also when nothing came since: reading on begins at the oldest entry.
                entry = Entry(
                    "live",
                    upto=decided + 1,
                    producer=live.producer,
                    profile=live.profile.name,
                    state=channel.state(),
                )
                writes.append((_key(partition, (live.id, channel.name)), _encode(entry)))
                channel.stored = True
                channel.anchor, channel.anchor_time = decided + 1, now
            commit = min(commit, channel.anchor)
    for key, complete in list(ended.recent.items()):
        needed = bool(complete.context) and ended.awaits_answer(key, committed, now - shard.idle_seconds)
        if complete.last < committed and not needed and (complete.marked or not complete.stored):
            del ended.recent[key]
            complete.context = ""
            if complete.stored:
                ended.obsolete.add(key)
                complete.stored = complete.marked = False
        elif not complete.marked and (
            complete.stored or (complete.anchor < commit and (needed or commit <= complete.last))
        ):
            # Without it, reading again from within the channel would look like a stream whose beginning is lost.
            entry = Entry(
                "complete",
                next_seq=complete.next_seq,
                last=complete.last,
                profile=complete.profile,
                context=complete.context,
                final_at=complete.final_at,
            )
            writes.append((_key(partition, key), _encode(entry)))
            complete.stored = complete.marked = True
    writes += [(_key(partition, key), None) for key in ended.obsolete if not _in_use(shard, key)]
    ended.obsolete.clear()
    return Checkpoint(writes, commit)


def stopped_entries(
    shard: Shard, streams: Iterable[str], owed: Iterable[Order] = ()
) -> list[tuple[bytes, bytes | None]]:
    """What the table must hold so that these streams stay stopped, and those that `owed` are of; taken as written.

    `owed` are orders that are written only when the entries are safe. A next owner, to whom the streams are stopped and
    done with, finds them in the entries and writes them (again).
    """
    orders: dict[str, list[Order]] = {stream: [] for stream in streams}
    for order in owed:
        orders.setdefault(order.stream, []).append(order)
    writes: list[tuple[bytes, bytes | None]] = []
    for stream, of_it in orders.items():
        writes.append((_key(shard.partition, (stream, "")), _encode(Entry("stopped", orders=of_it))))
        _stopped(shard, stream, of_it)
    return writes


def _stopped(shard: Shard, stream: str, owed: list[Order]) -> None:
    """The table says so now, with these orders."""
    shard.ended.stopped[stream] = True
    shard.ended.owed.pop(stream, None)
    if owed:
        shard.ended.owed[stream] = owed


def restore(shard: Shard, entries: Mapping[bytes, bytes], *, committed: int, now: float) -> None:
    """Bring a new shard to where the table's entries for its partition say.

    It reads on from the commit, or from further back: a worker that was paused beyond its session may have written an
    entry older than the commit after it woke. Then the frames before the commit are read for such channels alone.
    """
    live: list[tuple[Key, Entry]] = []
    for key_bytes, value in entries.items():
        partition, *rest = _key_decoder.decode(key_bytes)
        if partition != shard.partition:
            continue
        key, entry = (rest[0], rest[1]), _entry_decoder.decode(value)
        if entry.kind == "stopped":
            _stopped(shard, key[0], entry.orders)
        elif entry.kind == "complete":
            complete = EndedChannel(
                entry.next_seq,
                entry.profile,
                0,
                entry.last,
                stored=True,
                marked=True,
                context=entry.context,
                final_at=entry.final_at,
                seen=now,
            )
            shard.ended.add(key, complete)
        else:
            live.append((key, entry))
    shard.begin_at(min([committed, *(entry.upto for _, entry in live)]), committed)
    for (stream_id, name), entry in live:
        if shard.ended.is_stopped(stream_id):
            shard.ended.obsolete.add((stream_id, name))
            continue
        shard.adopt_stored(stream_id, _channel(name), entry.producer, entry.profile, entry.state, now)


def _channel(name: str) -> Channel:
    return msgspec.convert(name, Channel)  # type: ignore[no-any-return]


def _key(partition: int, key: Key) -> bytes:
    return _encode((partition, *key))


def _in_use(shard: Shard, key: Key) -> bool:
    """Whether an entry marked for deletion has been written anew, for a later channel or stop of the same name."""
    if not key[1]:
        return shard.ended.is_stopped(key[0])
    stream = shard.streams.get(key[0])
    return stream is not None and key[1] in stream.channels and stream.channels[key[1]].stored
