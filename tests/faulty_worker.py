"""A worker that knows tests.faulty's implementations beside the real ones."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from profiler.worker.__main__ import run_and_exit
from tests import faulty

if __name__ == "__main__":
    faulty.install()
    run_and_exit()
