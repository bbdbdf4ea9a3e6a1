"""``idverify serve --role web --data DATA --port PORT`` for who looks at what comes of a recording: a second is enough
for each movement. A real one's time is what test_outcomes and test_slow_connection take."""

from __future__ import annotations

import sys

from idverify.cli import main
from idverify.service import steps

HOLD_S = 1.0

whole_lengths_s = steps.step_lengths_s
steps.step_lengths_s = lambda challenge: [min(length, HOLD_S) for length in whole_lengths_s(challenge)]

if __name__ == "__main__":
    data, port = sys.argv[1:]
    sys.exit(main(["serve", "--role", "web", "--data", data, "--port", port]))
