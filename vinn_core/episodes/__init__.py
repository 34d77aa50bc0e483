"""Recorded episodes: in memory, while being recorded, and on disk."""
