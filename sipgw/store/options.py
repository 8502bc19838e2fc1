"""What is configured of the database and of how long it keeps what. Who reads the configuration loads no database."""

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+asyncpg)?://")


@dataclass(frozen=True)
class StoreOptions:
    """Where records are kept."""

    path: str = "sipgw.db"
    """File of the SQLite database; made when it does not exist."""
    url: str = field(default="", repr=False)
    """A PostgreSQL database instead, ``postgresql://user:password@host/name``: ``pip install 'sipgw[postgresql]'``."""
    spool: str = ""
    """Folder where records wait for the database; empty: `path` with ``.spool`` behind it."""

    def __post_init__(self) -> None:
        if self.url and not POSTGRESQL.match(self.url):
            raise ValueError("url begins with postgresql://; a SQLite file is given by its path")
        if self.url and find_spec("asyncpg") is None:
            raise ValueError("PostgreSQL needs asyncpg: pip install 'sipgw[postgresql]'")
        if self.url and not _readable(self.url):
            raise ValueError(
                "url is postgresql://user:password@host:port/name; in a password write %40 for @, %2F for /"
            )

    @property
    def calls_folder(self) -> Path:
        """Where the timelines of calls are kept."""
        return Path(f"{self.path}.calls")

    @property
    def handover(self) -> Path:
        """Where the next process asks for the sockets of SIP."""
        return Path(f"{self.path}.handover")

    @property
    def spool_folder(self) -> Path:
        """Where records wait for the database."""
        return Path(self.spool or f"{self.path}.spool")


def _readable(url: str) -> bool:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        port = make_url(url).port
    except (ValueError, ArgumentError):  # whose words would tell the password
        return False
    return port is None or 0 < port < 65536


@dataclass(frozen=True)
class RetentionOptions:
    """For how many days records are kept; 0 is for ever. Checked every hour."""

    calls: int = 0
    """All that is known of a call: with it go what was said and the recording."""
    transcripts: int = 0
    """What was said, what tools were asked and what they answered."""
    recordings: int = 0
    """Files of recordings."""

    def __post_init__(self) -> None:
        if min(self.calls, self.transcripts, self.recordings) < 0:
            raise ValueError("days are 0 or more")
