"""What all tests share."""

from __future__ import annotations

pytest_plugins = ["support.broker_report", "support.brokers", "support.installation"]
