"""How deployments come to be served, follow each other, and go."""
