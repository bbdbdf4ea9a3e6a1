"""``python -m idverify``: the command line without its script."""

import sys

from idverify.cli import main

sys.exit(main())
