"""The SDK: publish what is generated, obey orders, and show only what is released. asyncio, over aiokafka."""

from sluice.client.acks import AckSender, AckStats
from sluice.client.connection import Connection, partition_for
from sluice.client.feed import DecisionFeed, FeedStats, Subscriber
from sluice.client.gate import DeliveryGate, GateStats
from sluice.client.orders import OrderListener, OrderWatch
from sluice.client.publisher import OutputPublisher, PublisherStats
from sluice.client.released import ReaderStats, ReleasedReader
from sluice.client.session import ModerationClient
from sluice.client.stream import OutputStream
from sluice.delivery.events import ReleasedText, StreamStop

__all__ = [
    "AckSender",
    "AckStats",
    "Connection",
    "DecisionFeed",
    "DeliveryGate",
    "FeedStats",
    "GateStats",
    "ModerationClient",
    "OrderListener",
    "OrderWatch",
    "OutputPublisher",
    "OutputStream",
    "PublisherStats",
    "ReaderStats",
    "ReleasedReader",
    "ReleasedText",
    "StreamStop",
    "Subscriber",
    "partition_for",
]
