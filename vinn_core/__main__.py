"""Command line: python -m vinn_core COMMAND."""

import sys

from vinn_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
