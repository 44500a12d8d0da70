"""What the commands print: tables, programs, progress, JSON."""
