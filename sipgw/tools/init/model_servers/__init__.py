"""Sets up the user's own language model server, Ollama or llama.cpp: finds it, tries it, and writes the
configuration."""
