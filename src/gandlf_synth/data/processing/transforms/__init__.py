"""Deterministic preprocessing steps."""
