"""Telephone menus (IVR) and queues on the other side: recognised by their words, navigated by keys."""
