"""Turning a transformers checkpoint into a model directory.

Only `sluice.export.torch_side` imports torch and transformers, only when an export runs: everything that can be refused
without them is refused before.
"""
