"""The images of docker/, built and run: `make images`. It takes minutes, so CI leaves it out."""
