"""The embedded brain: a scripted demo dialogue in the shape of a language model, without a key or a download.

It understands about eight of ten phrasings it has never seen, in English, within a handful of intents, and the tools of
its agent's owner by their names, docstrings and parameters, one at a time. What it has not understood it answers with
what it can do. It does not chat and knows nothing that its tools have not told it.
"""
