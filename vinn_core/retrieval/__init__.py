"""From an observation to an action by way of the recorded frames: embedding, index, VINN."""
