"""Worker processes as slots of a supervisor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sluice.local.processes import Slot

__all__ = ["worker_slots"]


def worker_slots(count: int, logs: Path, metrics_port: int = 0, **options: Any) -> list[Slot]:
    """Slots for a supervisor, each running `sluice worker`; `options` are its options by name."""
    common: list[str] = []
    for name, value in options.items():
        if value is True:
            common.append(f"--{name.replace('_', '-')}")
        elif value is not None and value is not False and value != "":
            common += [f"--{name.replace('_', '-')}", str(value)]
    slots = []
    for slot in range(count):
        port = ["--metrics-port", str(metrics_port + slot)] if metrics_port else []
        command = [sys.executable, "-m", "sluice", "worker", *common, "--slot", str(slot), *port]
        slots.append(Slot(f"worker-{slot}", command, logs / f"worker-{slot}.log"))
    return slots
