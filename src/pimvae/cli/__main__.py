"""``python -m pimvae.cli``."""

import sys

from pimvae.cli import main

if __name__ == "__main__":
    sys.exit(main())
