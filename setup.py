"""The fast path of the media process in C (docs/media.md). Without a compiler it is left out; Python does it.

One wheel serves all Pythons, because the extension uses the stable ABI. A Python without the GIL has none.
"""

import sys
import sysconfig

from setuptools import Extension, setup

FAST = Extension(
    "media.fast._fast",
    ["media/fast/module.c", "media/fast/types.c", "media/fast/path.c"],
    depends=["media/fast/state.h"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    # A product and a sum rounded once would differ from Python's (ARM).
    extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-ffp-contract=off"],
    libraries=["m"],
    py_limited_api=True,
    optional=True,
)

if sys.platform == "linux" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    setup(ext_modules=[FAST], options={"bdist_wheel": {"py_limited_api": "cp311"}})
else:
    setup()
