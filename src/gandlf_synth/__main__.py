"""``python -m gandlf_synth``: the program, for launchers such as torchrun that start modules."""

import sys

from gandlf_synth.cli.main import main

sys.exit(main())
