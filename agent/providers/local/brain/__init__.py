"""The embedded brain: a scripted demo dialogue with the interface of a language model, without a key or a download.

It understands about eight of ten phrasings that it has never seen, in English, within a few intents. It understands the
tools of the agent's owner by their names, docstrings and parameters, one at a time. If it does not understand the
caller, it says what it can do. It does not chat, and knows only the results of its tools.
"""
