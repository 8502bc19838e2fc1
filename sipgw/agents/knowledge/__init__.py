"""Knowledge of an agent from a folder of documents: reading it, finding passages, and the rows that keep them."""
