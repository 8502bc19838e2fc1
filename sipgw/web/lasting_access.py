"""Access of a stream or websocket, which outlasts the check of its request."""

import asyncio
from typing import Annotated

from fastapi import Depends
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection

from sipgw.web.principal import Principal
from sipgw.web.security import cookie_name
from sipgw.web.state import App

EVERY = 10.0
"""Seconds between two checks."""


class LastingAccess:
    """Whether the sender of a request may go on: still signed in, with the same role."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._auth = App.of(connection).auth
        self._who = Principal.of(connection)
        self._cookie = connection.cookies.get(cookie_name(secure=connection.scope["secure"]), "")
        self._authorization = connection.headers.get("authorization", "")
        self._checked = asyncio.get_running_loop().time()

    async def lost(self, *, used: bool = False) -> bool:
        """Whether the access is lost, by a check that is at most `EVERY` seconds old. A page that is only open does not
        use the session, so the session ends after `[web] session_idle`."""
        now = asyncio.get_running_loop().time()
        if now - self._checked < EVERY:
            return False
        self._checked = now
        try:
            return await self._auth.who(self._cookie, self._authorization, used=used) != self._who
        except SQLAlchemyError:  # nobody is signed out because the database does not answer
            return False

    async def over(self) -> None:
        """Wait until the access is lost. Meanwhile a person listens or speaks, which counts as use of the session."""
        while not await self.lost(used=True):  # noqa: ASYNC110  another gateway may end the session
            await asyncio.sleep(EVERY)


async def _access(connection: HTTPConnection) -> LastingAccess:
    return LastingAccess(connection)


Access = Annotated[LastingAccess, Depends(_access)]
"""The parameter type of a route whose answer takes long, such as a stream."""
