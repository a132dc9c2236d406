"""What a line of the log says."""
