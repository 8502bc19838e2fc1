"""The fast path of the media process in C (docs/media.md). Without a compiler it is left out; Python does it."""

import hashlib
import sys
from pathlib import Path

from setuptools import Extension, setup

SOURCES = sorted(Path("media/fast").glob("*.[ch]"))
DIGEST = hashlib.sha256(b"".join(one.read_bytes() for one in SOURCES)).hexdigest()
"""By it a checkout knows whether the extension was built of the sources that it has now."""

FAST = Extension(
    "media.fast._fast",
    [str(one) for one in SOURCES if one.suffix == ".c"],
    depends=["setup.py", *map(str, SOURCES)],
    define_macros=[("Py_LIMITED_API", "0x030B0000"), ("SIPGW_SOURCES", f'"{DIGEST}"')],
    # A product and a sum rounded once would differ from Python's (ARM).
    extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-ffp-contract=off"],
    libraries=["m"],
    py_limited_api=True,
    optional=True,
)

setup(ext_modules=[FAST] if sys.platform == "linux" else [])
