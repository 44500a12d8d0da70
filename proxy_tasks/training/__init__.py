"""One training of one optimizer on one task, in JAX."""
