"""The image encoder: its network, its weights, and what is kept of its training."""
