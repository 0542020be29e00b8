"""The classifier: ONNX models that give each text one probability per kind of risk."""

from __future__ import annotations

from sluice.classifier.load import Model, load_model
from sluice.classifier.manifest import Head, Manifest, load_manifest

__all__ = ["Head", "Manifest", "Model", "load_manifest", "load_model"]
