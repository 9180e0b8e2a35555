"""`python -m flowrunner`."""

import sys

from flowrunner.cli import main

sys.exit(main())
