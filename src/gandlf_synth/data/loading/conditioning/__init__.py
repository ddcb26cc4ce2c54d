"""The built-in conditioners: one per file."""
