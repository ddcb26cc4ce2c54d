"""The command line: one thin file per command over ``gandlf_synth.api``."""
