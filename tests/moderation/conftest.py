"""The small world of `support.marks`, as fixtures."""

from __future__ import annotations

import pytest

from sluice.moderation.detectors import Detectors
from support.marks import mark_detectors


@pytest.fixture(scope="session")
def detectors() -> Detectors:
    return mark_detectors()
