"""The attnprof command with tests.fake_worker for its worker: for what is the command's own alone."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    sys.path[0] = str(Path(__file__).parents[1])  # a script has its own folder there

    from profiler.engine import worker_process
    from tui.cli import main as attnprof

    fake = Path(__file__).with_name("fake_worker.py")
    worker_process.COMMAND = (sys.executable, str(fake), "answers", "")
    attnprof(prog_name="attnprof")


if __name__ == "__main__":
    main()
