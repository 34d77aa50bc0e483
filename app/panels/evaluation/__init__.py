"""How good the policy is."""
