"""A program as a person would write it."""
