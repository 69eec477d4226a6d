"""A worker that knows tests.faulty's implementations beside the real ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from profiler.worker.__main__ import main
from tests import faulty

if __name__ == "__main__":
    faulty.install()
    status = main()
    sys.stderr.flush()
    os._exit(status)
