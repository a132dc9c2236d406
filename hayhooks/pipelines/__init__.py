"""User code: what a wrapper can do, and how it is called."""
