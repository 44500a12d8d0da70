"""What is trained: data, networks, losses."""
