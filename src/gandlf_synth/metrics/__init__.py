"""Calculators: arrays in, numbers out."""
