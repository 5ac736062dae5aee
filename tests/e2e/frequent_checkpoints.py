"""The command line, with a checkpoint after almost every step, so that a kill falls between two of them."""

from __future__ import annotations

import emgen_torchkit.loop
from emgen.cli import main

if __name__ == "__main__":
    emgen_torchkit.loop.CHECKPOINT_EVERY_S = 0.05
    main()
