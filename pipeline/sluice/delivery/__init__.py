"""What a reader may see: released text, and nothing after a stop. Pure; the client room brings it its input."""

from sluice.delivery.events import ReleasedText, StreamStop
from sluice.delivery.partition import PartitionStats, PartitionView
from sluice.delivery.sequence import Piece, Sequence
from sluice.delivery.view import STOPS_DELIVERY, ReleasedView

__all__ = [
    "STOPS_DELIVERY",
    "PartitionStats",
    "PartitionView",
    "Piece",
    "ReleasedText",
    "ReleasedView",
    "Sequence",
    "StreamStop",
]
