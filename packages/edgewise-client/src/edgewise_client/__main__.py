"""`python -m edgewise_client` is the command `edgewise`."""

import sys

from .command import main

sys.exit(main())
