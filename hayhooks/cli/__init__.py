"""The `hayhooks` command."""
