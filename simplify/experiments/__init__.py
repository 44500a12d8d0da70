"""Simplification by experiment: what costs nothing to leave out."""
