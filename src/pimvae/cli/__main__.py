"""``python -m pimvae.cli``."""

import sys

from pimvae import warm
from pimvae.cli import main

if __name__ == "__main__":
    code = warm.hand_over(sys.argv[1:])
    sys.exit(main() if code is None else code)
