"""What a hand-written Starlette application does the same jobs with."""
