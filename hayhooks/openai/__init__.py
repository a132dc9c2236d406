"""The wire that OpenAI clients speak."""
