"""Telephone menus (IVR) and queues on the other side: told by their words, walked by keys."""
