"""What trains the model lies beside the package, and its modules import one another by name."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

for folder in ("models", "benchmarks"):
    if str(ROOT / folder) not in sys.path:
        sys.path.append(str(ROOT / folder))
