"""Classifies the caller's sound by evidence: voice, echo of the agent, background or noise. Sans-IO."""

import os

# ONNX Runtime's own builds report to Microsoft unless this is set before it is imported (its Privacy.md).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
