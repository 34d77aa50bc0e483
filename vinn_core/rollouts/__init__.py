"""What a policy does from a seed on: rolled out, collected, evaluated, compared, filmed, replayed."""
