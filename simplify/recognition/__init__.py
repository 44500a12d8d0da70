"""Which known optimizer a program is."""
