"""The cases, by what they measure."""
