"""The transfer card of a program: what to know before using it on another task."""
