"""`python -m mpmd`. The commands are in `cli.py`."""

import sys

from mpmd.cli import main

sys.exit(main())
