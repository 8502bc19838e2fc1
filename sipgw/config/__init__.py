"""The configuration: options of every part, and how a file and the environment become them."""
