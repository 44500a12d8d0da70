"""A run as one page to read: ``lion-search report`` and ``serve``."""
