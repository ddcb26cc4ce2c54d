"""From a validated configuration and checked data to a trained model in its folder."""
