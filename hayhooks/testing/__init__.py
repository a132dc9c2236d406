"""What the tests of a wrapper need."""
