"""Search methods: a file each, and a row each in ``table.py``."""
