"""The recorded episodes."""
