"""Finds a Chromium: `python3 tests/harness/chromium.py` prints where it is, if there is one."""

import shutil
import sys

_NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_chromium() -> str | None:
    """Find one of PATH, or Chrome where macOS has it."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


if __name__ == "__main__":
    found = find_chromium()
    print(found or "There is neither Chromium nor Google Chrome.")
    sys.exit(found is None)
