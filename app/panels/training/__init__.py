"""From recorded episodes to a policy."""
