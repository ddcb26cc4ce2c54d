"""``gandlf-synth app``: a page on this computer that makes images with a trained model.

The process of the page imports nothing heavy; a second process, which it starts, holds the model.
"""
