"""Simplification by proof."""
