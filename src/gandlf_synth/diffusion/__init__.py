"""Diffusion and flow matching: noise schedules, training objectives, samplers, guidance. Tensors in, tensors out."""
