"""Make the pictures of the README and the site from the first sample: the terminal's output and the report.

    python docs/images/make_images.py

The report is drawn by Chromium (Debian's package ``chromium``), headless; nothing is loaded from a network.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COLUMNS = 96
WIDTH_PX, HEIGHT_PX = 900, 1500
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch) / "report.html"
        media = [str(ROOT / "samples" / name) for name in ("photo_panned.mp4", "reference.jpg")]
        command = [sys.executable, "-m", "idverify", "check", *media, "--report", str(page)]
        shown = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
        done = subprocess.run(command, capture_output=True, text=True, env=shown, check=False)

        terminal = Console(record=True, width=COLUMNS, file=io.StringIO())
        terminal.print(Text.from_ansi(done.stdout))
        terminal.save_svg(str(HERE / "terminal.svg"), title="idverify check photo_panned.mp4 reference.jpg")

        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        if chromium is None:
            raise SystemExit("the report's picture needs Chromium: apt-get install chromium")
        command = [chromium, *SWITCHES, f"--user-data-dir={scratch}/profile", f"--window-size={WIDTH_PX},{HEIGHT_PX}"]
        subprocess.run([*command, f"--screenshot={HERE / 'report.png'}", page.as_uri()], check=True)


if __name__ == "__main__":
    main()
