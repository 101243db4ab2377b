"""`python -m addcat` is `addcat`."""

import sys

from addcat.cli import main

if __name__ == "__main__":
    sys.exit(main())
