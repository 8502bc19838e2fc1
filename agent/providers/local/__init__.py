"""Speech and understanding without keys and without a network: models that come inside packages."""

import os

# ONNX Runtime's own builds report to Microsoft unless this is set before it is imported (its Privacy.md).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
