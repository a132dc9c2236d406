"""The wire of our own routes."""
