"""New programs from old ones: mutation, random programs, scaled updates."""
