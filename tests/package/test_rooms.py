"""The rooms of the package: who may import whom, and what a plain import brings in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sluice

PACKAGE = Path(sluice.__file__).parent

# From the ground up: a room imports only rooms to the left of it (and its own).
ORDER = [
    "errors", "text", "contract", "risks", "policy", "lexicon", "classifier", "moderation", "shipped", "metrics",
    "evaluation", "delivery", "local", "client", "worker", "demo", "export", "cli", "__main__",
]  # fmt: skip
ALSO = {
    ("errors", "contract"): "only for a type",
    ("lexicon", "moderation"): "the verdict, which is the seam that every detector answers through",
    ("moderation", "shipped"): "the whole-text moderator loads what is shipped",
    ("classifier", "moderation"): "the seam that a scorer implements",
}
ONLY = {
    "faust": {"worker"},
    "mode": {"worker"},
    "onnxruntime": {"classifier", "export"},
    "onnx": {"export"},
    "torch": {"export"},
    "transformers": {"export"},
    "tokenizers": {"classifier"},
    "aiokafka": {"client", "worker", "local"},
}


def imports() -> list[tuple[str, str, str]]:
    """Every import in the package: room, what it imports, and where."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        path = file.relative_to(PACKAGE)
        room = path.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found += [(room, alias.name, f"{path}:{node.lineno}") for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.append((room, node.module, f"{path}:{node.lineno}"))
                if node.module == "sluice":
                    found += [(room, f"sluice.{alias.name}", f"{path}:{node.lineno}") for alias in node.names]
    return found


def test_every_room_has_its_place() -> None:
    rooms = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(ORDER)


def test_no_room_imports_one_above_it() -> None:
    wrong = []
    for room, module, where in imports():
        parts = module.split(".")
        if parts[0] != "sluice" or len(parts) < 2 or room == "__init__" or parts[1] not in ORDER:
            continue
        if ORDER.index(parts[1]) > ORDER.index(room) and (room, parts[1]) not in ALSO:
            wrong.append(f"{where}: {room} imports {parts[1]}")
    assert wrong == []


def test_each_engine_has_one_room() -> None:
    wrong = [
        f"{where}: {module}"
        for room, module, where in imports()
        if (top := module.split(".")[0]) in ONLY and room not in ONLY[top]
    ]
    assert wrong == []


@pytest.mark.parametrize("statement", ["import sluice", "from sluice.moderation.shard import Shard"])
def test_importing_the_core_brings_in_no_engine(statement: str) -> None:
    engines = ("faust", "aiokafka", "onnxruntime", "tokenizers")
    code = f"{statement}\nimport sys\nprint([m for m in {engines} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"


def test_what_is_exported_is_there() -> None:
    for name in sluice.__all__:
        assert getattr(sluice, name) is not None
    with pytest.raises(AttributeError):
        _ = sluice.nothing_of_that_name  # type: ignore[attr-defined]
