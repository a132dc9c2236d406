"""Import paths of upstream Hayhooks."""
