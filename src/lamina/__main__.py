"""``python -m lamina`` is the command ``lamina``."""

import sys

from lamina.cli import main

sys.exit(main())
