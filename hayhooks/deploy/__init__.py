"""From a source to a deployment."""
