"""Measures this project against upstream's package and against a bare Starlette application."""
