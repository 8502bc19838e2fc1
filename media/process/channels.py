"""The gateway's channels of one media process. They share a pipe, so an error in one channel must end only this one."""

import asyncio

import structlog

from media.process.channel import Channel
from media.process.wire import Kind, Message

log = structlog.get_logger()

SINK_FAILED = "the sink of a call's media failed"
FAILURES = (Exception, asyncio.CancelledError)
"""Errors of a sink. The second comes from the result of a task that somebody has cancelled; it cancels no task here."""


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
        """Pass no more messages to the channel with this number."""
        self._all.pop(number, None)

    def take(self, message: Message) -> None:
        """Pass a message to its channel. Never raises: all calls share the pipe."""
        channel = self._all.get(message.channel)
        if message.kind == Kind.FAILED:
            self._failed_there(channel, message)
        elif channel is not None:
            try:
                channel.on_message(message)
            except FAILURES as error:
                log.exception(SINK_FAILED, channel=channel.number)
                self._failed_here(channel, error)

    def die(self, cause: str) -> None:
        """End all channels, because the media process has ended."""
        channels, self._all = self._all, {}
        for channel in channels.values():
            self._end(channel, cause)

    def _failed_there(self, channel: Channel | None, message: Message) -> None:
        """Log the fault of our code in the media process that ended a call, and end its channel."""
        cause, _, trace = message.body.decode("utf-8", "replace").partition("\n")
        self.failed += 1
        log.error("media of a call failed", channel=message.channel, cause=cause, trace=trace)
        if channel is not None:
            self.forget(channel.number)
            self._end(channel, cause)

    def _end(self, channel: Channel, cause: str, *, again: bool = False) -> None:
        """Give the sink of `channel` its last event, `Dead`; once `again` if it failed."""
        try:
            channel.died(cause)
        except FAILURES as error:
            log.exception(SINK_FAILED, channel=channel.number)
            if not again:
                self._failed_here(channel, error)

    def _failed_here(self, channel: Channel, error: BaseException) -> None:
        """Close `channel`, whose sink failed in the gateway."""
        self.failed += 1
        channel.close()
        self._end(channel, f"a fault in the gateway: {type(error).__name__}: {error}"[:200], again=True)
