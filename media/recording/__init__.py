"""Recordings of the sound on disk, and packets kept in memory for captures."""
