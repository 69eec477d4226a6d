"""A child of benchmarks.features that knows tests.faulty's implementations beside the real ones."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.features_child import main
from tests import faulty

if __name__ == "__main__":
    faulty.install()
    main()
