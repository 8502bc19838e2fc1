"""The fast path of the media process in C (docs/media.md). Without a compiler it is left out; Python does it.

One wheel serves all Pythons, because the extension uses the stable ABI. A Python without the GIL has none.

The package index shows README.md without its repository, so the links of the package's description are absolute.
"""

import hashlib
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import Distribution, Extension, setup

PAGES = "https://github.com/sipgw/sipgw/blob/main"
FILES = "https://raw.githubusercontent.com/sipgw/sipgw/main"
RELATIVE = re.compile(r"(!?)(\[[^\]]*\]\()(?!https?:|#)")


class Described(Distribution):
    """The distribution, with links that work on the page of an index."""

    def parse_config_files(self, *args: Any, **kwargs: Any) -> None:
        """Read pyproject.toml, then change the description that it names."""
        super().parse_config_files(*args, **kwargs)
        if text := self.metadata.long_description:
            self.metadata.long_description = RELATIVE.sub(
                lambda link: f"{link[1]}{link[2]}{FILES if link[1] else PAGES}/", text
            )


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

if sys.platform == "linux" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    setup(distclass=Described, ext_modules=[FAST], options={"bdist_wheel": {"py_limited_api": "cp311"}})
else:
    setup(distclass=Described)
