"""Language model servers of one's own: Ollama and llama.cpp, found, tried and written into the configuration."""
