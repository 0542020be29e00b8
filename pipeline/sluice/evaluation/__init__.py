"""How good detectors are on labelled texts, whole and as streams."""
