"""The gateway's channels of one media process: an error in one ends only that one, for all of them share the pipe."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from media.process.channel import Channel
from media.process.wire import Kind, Message

log = structlog.get_logger()
T = TypeVar("T")


class Channels:
    """The calls that share a media process and its pipe."""

    def __init__(self) -> None:
        self.failed = 0
        """Calls that were ended by a fault in the code that takes their events, or in the media process."""
        self._all: dict[int, Channel] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, channel: Channel) -> None:
        """Pass messages to `channel` from now on."""
        self._all[channel.number] = channel

    def forget(self, number: int) -> None:
        """Pass no more messages to that channel."""
        self._all.pop(number, None)

    def take(self, message: Message) -> None:
        """Pass a message to its channel. Never raises: all calls share the pipe."""
        channel = self._all.get(message.channel)
        if message.kind == Kind.FAILED:
            self._failed_there(channel, message)
        elif channel is not None:
            self._bounded(channel, channel.on_message, message)

    def die(self, cause: str) -> None:
        """The media process has ended, and so all its calls."""
        channels, self._all = self._all, {}
        for channel in channels.values():
            self._bounded(channel, channel.died, cause)

    def _failed_there(self, channel: Channel | None, message: Message) -> None:
        """A fault in our code in the media process ended the call."""
        cause, _, trace = message.body.decode("utf-8", "replace").partition("\n")
        self.failed += 1
        log.error("media of a call failed", channel=message.channel, cause=cause, trace=trace)
        if channel is not None:
            self.forget(channel.number)
            self._bounded(channel, channel.died, cause)

    def _bounded(self, channel: Channel, work: Callable[[T], None], about: T, *, last: bool = False) -> None:
        """Do `work`, which calls the sink of `channel`. An error closes the channel, and its sink gets one `Dead`, the
        `last` event."""
        try:
            work(about)
        except Exception as error:
            log.exception("the sink of a call's media failed", channel=channel.number)
            if not last:
                self.failed += 1
                channel.close()
                cause = f"a fault in the gateway: {type(error).__name__}: {error}"[:200]
                self._bounded(channel, channel.died, cause, last=True)
