"""Samplers, one file per paper: each walks from noise to images down any path ``signal · clean + sigma · noise``.

A sampler is a plain function of the registry group ``samplers``; ``samplers.base.Sampler`` says what it takes. These
files import torch for type checkers only, so that a configuration can be checked without it.
"""
