"""What a producer publishes: deltas of its streams, many to a Kafka record."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec

from sluice.contract.limits import MAX_ID_CHARS

__all__ = ["CHANNELS", "Channel", "Delta", "Frame", "Id"]

Channel = Literal["answer", "reasoning", "tool_call", "prompt"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS)]


class Delta(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The next piece of one channel of one stream."""

    stream: Id
    """The generated answer that this is a piece of."""
    seq: Annotated[int, msgspec.Meta(ge=0)]
    """0, 1, 2 … within the channel."""
    start: Annotated[int, msgspec.Meta(ge=0)]
    """Offset of the first character in the channel, in Unicode code points."""
    text: str
    channel: Channel = "answer"
    final: bool = False
    """True on the channel's last delta, which may be empty."""
    profile: Id = "default"
    """Policy profile; the first one seen for a stream holds for all of it."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One record on `moderation.outputs`: all deltas a producer has ready at a moment."""

    v: int
    """Major version of this record's form. Unknown fields are ignored, a higher number is not read."""
    producer: Id
    deltas: list[Delta]
    sent_at: float = 0.0
    """When it was published, seconds since the epoch; only measured with, never decided on."""
