"""Training with a privacy budget: what one subject can add to a model is bounded, and noise hides it.

``limits`` says what goes with a budget, ``plan`` finds the noise, ``facts`` keeps what is known of the images to what
is public, ``gradients`` bounds and hides, ``steps`` puts it into Lightning, ``accounting`` counts.
"""
