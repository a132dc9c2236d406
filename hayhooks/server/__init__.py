"""Import paths of upstream Hayhooks. Nothing lives here, and nothing of ours imports from here."""
