"""Trained models that a training starts from: where they lie, what they hold, what of it fits, whether it works."""
