"""``python -m idverify.cli``: the command line without its script."""

import sys

from idverify.cli import main

sys.exit(main())
