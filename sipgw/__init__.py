"""sipgw: a SIP/RTP gateway for AI phone agents."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sipgw")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0.0.0"
