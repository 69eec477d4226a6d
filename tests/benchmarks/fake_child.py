"""A child of benchmarks.features without torch: what it is asked to try says what becomes of it.

The head dim does, so that real names can be asked for: 1 raises, 2 is wrong, 3 dies, 4 hangs, 5 loses
the device, 6 is declined; anything else is right.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.features_protocol import Task, Tried
from profiler.engine.protocol import Ready

_ANSWERS = {
    1: Tried("raised", "RuntimeError: no such kernel"),
    2: Tried("wrong", "out off by 0.5 (limit 0.01)"),
    5: Tried("lost", "an illegal memory access"),
    6: Tried("declined", "was built without it"),
}


def main() -> None:
    if sys.argv[1:2] == ["broken"]:
        sys.exit("CUDA is not to be had")
    say(Ready(pid=os.getpid(), torch="2.0", device_name="a fake"))
    for line in sys.stdin.buffer:
        head_dim = msgspec.json.decode(line, type=Task).workload.head_dim
        if head_dim == 3:
            sys.stderr.write("terminate called after throwing\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGABRT)
        if head_dim == 4:
            time.sleep(3600)
        say(_ANSWERS.get(head_dim, Tried("right")))
        if head_dim == 5:
            return


def say(message: Ready | Tried) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
