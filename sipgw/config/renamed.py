"""Keys of the configuration that have a new name; an old one is answered with it."""

RENAMED: dict[str, str] = {}
"""The new place of each old key, both from the outermost table on, without positions in lists."""
