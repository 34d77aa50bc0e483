"""The embedded viewer."""
