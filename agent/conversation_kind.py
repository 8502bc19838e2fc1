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
        """Follow what the hearing provider reports, by `_follow`."""

    @abstractmethod
    def _prepare(self, text: str, instead: str) -> None:
        """Prepare a reply to `text`, which may be thrown away; see `_answer`."""

    @abstractmethod
    def _answer(self, text: str, instead: str) -> None:
        """Reply to `text`, which takes the place of the words `instead` in the history."""

    @abstractmethod
    def _tell(self, text: str, instead: str) -> None:
        """Tell results that came late, and reply to `text` if there is any; for `instead` see `_answer`."""

    @abstractmethod
    def _recite(self, text: str) -> None:
        """Say `text` word for word."""

    @abstractmethod
    def _blamed(self, error: ProviderError) -> Part:
        """The part of the agent that has caused this error of a reply."""

    @abstractmethod
    def _expect(self, said: str) -> None:
        """Take the agent's sentence that the caller begins to hear."""

    @abstractmethod
    def _noted(self) -> None:
        """Use what the agent has just been told in all replies from now on."""
