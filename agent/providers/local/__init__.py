"""Speech and understanding without keys and without a network: models that come inside packages."""
