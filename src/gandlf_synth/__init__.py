"""Generative models for medical images: from a CSV and a YAML to trained models and synthetic images."""
