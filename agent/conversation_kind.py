"""The interface between a conversation and its kind of provider: a cascade, or speech to speech."""

from abc import ABC, abstractmethod

from agent.errors import ProviderError
from agent.records import Part


class ConversationKind(ABC):
    """The part of a conversation that depends on its kind of provider."""

    @abstractmethod
    async def open(self) -> None:
        """Get the providers ready; a failure is told to the caller by `run`."""

    @abstractmethod
    async def close(self) -> None:
        """End the providers' sessions; safe to call twice, and without `run`."""

    @abstractmethod
    async def _follow_events(self) -> None:
        """Follow what the provider that hears reports; `_follow` does so."""

    @abstractmethod
    def _prepare(self, text: str, instead: str) -> None:
        """Prepare a reply to `text`, which may be thrown away; see `_answer`."""

    @abstractmethod
    def _answer(self, text: str, instead: str) -> None:
        """Reply to `text`, which takes the place of `instead` in the memory."""

    @abstractmethod
    def _tell(self, text: str, instead: str) -> None:
        """Tell what has come late, and reply to `text`, if there is any; see `_answer`."""

    @abstractmethod
    def _recite(self, text: str) -> None:
        """Say `text` word for word."""

    @abstractmethod
    def _blamed(self, error: ProviderError) -> Part:
        """By which part a reply has failed."""

    @abstractmethod
    def _expect(self, said: str) -> None:
        """The caller begins to hear this sentence of the agent."""

    @abstractmethod
    def _noted(self) -> None:
        """The agent has been told something that all replies from now on have to know."""
