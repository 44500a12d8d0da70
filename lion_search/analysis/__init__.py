"""What is asked about programs and finished searches, outside of a run."""
