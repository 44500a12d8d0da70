"""A run from its config to its result, and what its folder holds."""
