"""The classifier: an ONNX model that gives each text one probability per kind of risk."""

from __future__ import annotations

from sluice.classifier.manifest import Head, Manifest, load_manifest
from sluice.classifier.model import WINDOW_CHARS, Classifier

__all__ = ["WINDOW_CHARS", "Classifier", "Head", "Manifest", "load_manifest"]
