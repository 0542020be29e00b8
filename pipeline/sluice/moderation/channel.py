"""One channel of one stream while it is live: order of its deltas, its detectors, its release watermark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sluice.contract.decision import Finding
from sluice.contract.frame import Channel, Delta
from sluice.contract.limits import Limits
from sluice.lexicon.scan import LexiconScan
from sluice.moderation.units import Unit
from sluice.moderation.windows import WindowScan
from sluice.policy.profile import Profile
from sluice.text.units import UnitCutter

__all__ = ["ChannelState", "Fed", "Place", "StreamState"]

Place = tuple[int, int]
"""Where a delta stands in the log of a partition: its frame's offset, and its number in the frame."""


class StreamState:
    """One stream: what its channels share."""

    __slots__ = ("channels", "id", "producer", "profile", "stopped")

    def __init__(self, stream: str, producer: str, profile: Profile) -> None:
        self.id = stream
        self.producer = producer
        self.profile = profile
        self.channels: dict[str, ChannelState] = {}
        self.stopped = False


class Fed(msgspec.Struct):
    """What reading deltas led to at once."""

    findings: list[Finding]
    units: list[Unit]
    """Those that have ended; the classifier has not seen them yet."""
    beyond: list[Delta] = []
    """Deltas that were kept for later and stand behind the channel's end."""


class ChannelState:
    """Bounded: the detectors' context, and deltas that came before one that is missing."""

    __slots__ = (
        "_cutter",
        "anchor",
        "anchor_time",
        "announced",
        "early",
        "early_chars",
        "final",
        "final_at",
        "gap_since",
        "held_since",
        "last_seen",
        "length",
        "lexicon",
        "lexicon_cleared",
        "name",
        "next_seq",
        "stored",
        "stream",
        "unscanned_to",
        "windows",
    )

    def __init__(
        self,
        stream: StreamState,
        name: Channel,
        lexicon: LexiconScan,
        windows: WindowScan | None,
        *,
        anchor: int,
        anchor_time: float,
        offset: int = 0,
    ) -> None:
        self.stream = stream
        self.name: Channel = name
        self.lexicon = lexicon
        self.windows = windows
        self._cutter = UnitCutter(stream.profile.unit_chars)
        self.next_seq = 0
        self.length = offset
        """Characters read so far."""
        self.lexicon_cleared = offset
        self.held_since: float | None = None
        """Since when the lexicon has held back what it holds back now; None when it holds nothing."""
        self.announced = offset
        """Watermark in the last release that named this channel."""
        self.unscanned_to = 0
        """Text before it may have been passed although a detector did not answer."""
        self.final = False
        self.final_at: Place | None = None
        """Where its last delta stands in the log."""
        self.early: dict[int, Delta] = {}
        """Deltas that came before an earlier one, by seq."""
        self.early_chars = 0
        self.gap_since: float | None = None
        """When a delta first did not fit; None while all do."""
        self.anchor = anchor
        """Offset of the first frame that has to be read again to rebuild this state."""
        self.anchor_time = anchor_time
        self.last_seen = anchor_time
        """When the last delta came."""
        self.stored = False
        """Whether the table holds an entry for this channel."""

    @property
    def watermark(self) -> int:
        """Text before it is cleared by every enabled detector."""
        if self.windows is None:
            return self.lexicon_cleared
        return min(self.lexicon_cleared, self.windows.cleared)

    @property
    def complete(self) -> bool:
        """All of it has come and is cleared."""
        settled = self.windows is None or self.windows.settled
        return self.final and settled and self.watermark == self.length

    @property
    def storable(self) -> bool:
        """Whether `state` is small enough for the table."""
        return self.windows is None or self.windows.storable

    def accept(self, delta: Delta, limits: Limits, now: float) -> Fed | None:
        """Read a delta, and those that waited for it. None: it is a repeat, or has to wait."""
        self.last_seen = now
        if delta.seq < self.next_seq:
            return None
        if delta.seq != self.next_seq or delta.start != self.length:
            self._keep_early(delta, limits, now)
            return None
        fed = Fed([], [])
        cleared = self.lexicon_cleared
        self._read(delta, fed, now)
        while self.early and not self.final:
            held = self.early.pop(self.next_seq, None)
            if held is None:
                break
            self.early_chars -= len(held.text)
            if held.start != self.length:
                self.gap_since = now
                self._note_held(cleared, now)
                return fed
            self._read(held, fed, now)
        self._note_held(cleared, now)
        if self.final and self.early:
            fed.beyond = list(self.early.values())
            self.early.clear()
        # What is still missing is another delta than before, with a wait of its own.
        self.gap_since = now if self.early else None
        return fed

    def _keep_early(self, delta: Delta, limits: Limits, now: float) -> None:
        if self.gap_since is None:
            self.gap_since = now
        # A delta whose start does not fit is not kept: another one with its seq may still fit.
        if delta.seq != self.next_seq and delta.seq not in self.early:
            if len(self.early) >= limits.gap_deltas or self.early_chars + len(delta.text) > limits.delta_chars:
                self.gap_since = float("-inf")  # waiting on would need more memory than is allowed
                return
            self.early[delta.seq] = delta
            self.early_chars += len(delta.text)

    def _note_held(self, cleared_before: int, now: float) -> None:
        if self.lexicon_cleared == self.length:
            self.held_since = None
        elif self.held_since is None or self.lexicon_cleared > cleared_before:
            self.held_since = now

    def let_go(self, now: float) -> bool:
        """Clear what the lexicon has held back for half of the profile's deadline: the rest of the term does not come,
        and at the deadline the reader's gate would take the silence for a failure. Returns whether there was any."""
        if self.held_since is None or now - self.held_since < self.stream.profile.deadline_ms / 2000:
            return False
        self.held_since = None
        self.lexicon_cleared = self.length
        return True

    def gap_expired(self, now: float) -> bool:
        """Whether a missing delta has been waited for long enough."""
        return self.gap_since is not None and now - self.gap_since >= self.stream.profile.gap.wait_ms / 1000

    def _read(self, delta: Delta, fed: Fed, now: float) -> None:
        self.next_seq += 1
        self.final = final = delta.final
        text = delta.text
        self.length += len(text)
        windows = self.windows
        if windows is None:
            self._read_lexicon(text, final, fed)
            return
        at = 0
        ends = self._cutter.cut(text)
        for end in ends:
            self._read_piece(windows, text[at:end], final and end == len(text), True, fed, now)
            at = end
        if at < len(text) or (final and not ends):
            self._read_piece(windows, text[at:], final, final, fed, now)

    def _read_piece(self, windows: WindowScan, text: str, final: bool, ends: bool, fed: Fed, now: float) -> None:
        self._read_lexicon(text, final, fed)
        unit = windows.feed(text, ends, now)
        if unit is not None:
            fed.units.append(unit)

    def _read_lexicon(self, text: str, final: bool, fed: Fed) -> None:
        verdict = self.lexicon.feed(text, final)
        # What was let go stays so.
        self.lexicon_cleared = max(self.lexicon_cleared, verdict.cleared)
        fed.findings += verdict.findings

    def change_over(self, lexicon: LexiconScan) -> Sequence[Finding]:
        """Go on with a scan that was made from this channel's own for another lexicon.

        What was held back is judged at once, and may be held back from further to the front than before; what was
        released stays so.
        """
        self.lexicon = lexicon
        verdict = lexicon.feed("")
        self.lexicon_cleared = verdict.cleared
        self.held_since = None if verdict.cleared == self.length else self.last_seen
        return verdict.findings

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain values, bounded if `storable`."""
        return {
            "seq": self.next_seq,
            "final": self.final,
            "final_at": self.final_at,
            "lexicon": self.lexicon.state(),
            "lexicon_cleared": self.lexicon_cleared,
            "windows": None if self.windows is None else self.windows.state(),
            "cutter": self._cutter.state(),
            "gap": self.gap_since is not None,
            "unscanned_to": self.unscanned_to,
            "early": [(d.seq, d.start, d.text, d.final) for d in self.early.values()],
        }

    def restore(self, state: dict[str, Any], now: float) -> None:
        """Go on from a `state()`, perhaps made under another version of the profile."""
        self.next_seq, self.final = state["seq"], state["final"]
        self.final_at = None if state["final_at"] is None else tuple(state["final_at"])
        self.lexicon.restore(state["lexicon"])
        self.length = self.lexicon.length
        self.lexicon_cleared = state["lexicon_cleared"]
        if self.windows is not None and state["windows"] is not None:
            self.windows.restore(state["windows"], now)
        self._cutter.restore(tuple(state["cutter"]))
        self.unscanned_to = state["unscanned_to"]
        self.gap_since = now if state["gap"] else None
        self.held_since = None if self.lexicon_cleared == self.length else now
        for seq, start, text, final in state["early"]:
            self.early[seq] = Delta(self.stream.id, seq, start, text, self.name, final)
            self.early_chars += len(text)
        self.announced = self.watermark
