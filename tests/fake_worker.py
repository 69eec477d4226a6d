"""A worker without torch that answers at once, and does not keep to the protocol.

`fake_worker.py HOW GARBAGE DEVICE`: "garbles" says that garbage where it comes to the case of
"sdpa", "babbles" before it says anything else, "never-ready" says nothing, "stays" does not leave when
stdin closes, "dies-at-ceilings" and "hangs-at-ceilings" do so when asked for them, "dies-after-results" when
all are in. An implementation called "hangs" or "dies" does so where it comes to it, and what is to be
repeated more often than anybody would wait for is measured until it is cut short.
Asked to train it tells of a few steps of each case; "dies-at-sdpa" and "hangs-at-sdpa" do so at that, and
"trains-on" comes to no result before it is cut short, "trains-on-later" not after the first row.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from profiler.engine.protocol import MeasureShape, MeasureTraining

FAULTS: dict[str, Callable[[], None]] = {
    "hangs": lambda: time.sleep(3600),
    "dies": lambda: os.kill(os.getpid(), signal.SIGKILL),
}
ENDLESS = 1_000_000
"""So many repeats nobody waits for."""
LONGEST_BYTES = 100_000
"""What the engine is to take for the longest line, so that a longer one is soon said."""
GARBAGE = {
    "words": b"Segmentation fault (core dumped)\n",
    "cut": b'{"type":"visiting","ca\n',
    "unknown": b'{"type":"confession","case":1}\n',
    "wrong fields": b'{"type":"visiting","case":"the first"}\n',
    "no text": b'{"type":"log","level":"info","message":"\xff\xfe"}\n',
    "deep": b'{"type":"visiting","case":1,"more":' + 50_000 * b"[" + b"\n",
    "empty": b"\n",
    "endless": 2 * LONGEST_BYTES * b"x",
}


def train(request: MeasureTraining, how: str, say: Callable[..., None]) -> None:
    from profiler.engine.protocol import ShapeDone, Visiting
    from tests.training_examples import trained

    for case in request.cases:
        say(Visiting(case=case.number))
        if case.implementation == "sdpa" and how == "dies-at-sdpa":
            sys.exit("RuntimeError: lost in a step")
        if case.implementation == "sdpa" and how == "hangs-at-sdpa":
            time.sleep(3600)
        *before, result = trained(case, batch=request.batch or 8, tokens_per_s=50_000.0)
        say(*before, *([] if how == "trains-on" else [result]))
    if how == "dies-after-results":
        say(Visiting(case=request.cases[0].number))
        sys.exit("RuntimeError: lost at the end")
    if how != "trains-on":  # else it goes on until it is cut short
        say(ShapeDone())


def measure(request: MeasureShape, how: str, say: Callable[..., None], babble: Callable[[], None]) -> None:
    from profiler.engine.protocol import ShapeDone, Visiting, WorkerMessage
    from profiler.events import CaseChecked, CaseStarted, Result, Samples
    from profiler.stats import estimate

    answer: list[WorkerMessage] = []
    is_endless = (request.stopping.repeats or 0) >= ENDLESS
    for case in request.cases:
        answer.append(
            CaseStarted(case=case.number, workload=case.workload, implementation=case.implementation)
        )
        fault = (
            babble if (how, case.implementation) == ("garbles", "sdpa") else FAULTS.get(case.implementation)
        )
        if fault is not None:
            say(*answer)
            fault()
        answer.append(CaseChecked(case=case.number, first_call_ms={}))
        for which in request.passes:
            answer.append(Samples(case=case.number, which=which, first_round=0, device_ms=[1.0] * 3))
            if is_endless:
                continue
            answer.append(
                Result(
                    case=case.number,
                    workload=case.workload,
                    implementation=case.implementation,
                    which=which,
                    device_ms=estimate([1.0] * 3),
                    tflops=1.0,
                    converged=True,
                )
            )
    if how == "dies-after-results":
        say(*answer, Visiting(case=request.cases[0].number))
        sys.exit("RuntimeError: lost in a graph")
    say(*answer, *([] if is_endless else [ShapeDone()]))


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))

    import msgspec

    from profiler.engine.protocol import (
        CutShort,
        MeasureCeilings,
        MeasureTraining,
        Ready,
        Request,
        ShapeDone,
        WorkerMessage,
    )
    from profiler.events import Ceilings, CopyRate

    how, garbage = sys.argv[1], GARBAGE.get(sys.argv[2], b"")

    def encoded(*messages: WorkerMessage) -> bytes:
        return b"".join(msgspec.json.encode(message) + b"\n" for message in messages)

    def say(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    def babble() -> None:
        say(garbage)
        time.sleep(3600)  # whoever hears it must not wait for more

    if how == "never-ready":
        time.sleep(3600)
    if how == "babbles":
        babble()
    is_endless = False
    say(encoded(Ready(pid=os.getpid(), torch="0", device_name="fake")))
    for line in sys.stdin.buffer:
        request: Request = msgspec.json.decode(line, type=Request)
        if isinstance(request, MeasureCeilings):
            if how == "dies-at-ceilings":
                sys.exit("RuntimeError: no ceilings here")
            if how == "hangs-at-ceilings":
                time.sleep(3600)
            say(encoded(Ceilings(matmul={}, copy=CopyRate(gb_per_s=1.0, bytes=1))))
            continue
        if isinstance(request, CutShort):
            say(encoded(ShapeDone()) if how == "trains-on" or is_endless else b"")
            is_endless = False
            continue
        if isinstance(request, MeasureTraining):
            train(request, how, lambda *messages: say(encoded(*messages)))
            how = "trains-on" if how == "trains-on-later" else how
            continue
        is_endless = (request.stopping.repeats or 0) >= ENDLESS
        measure(request, how, lambda *messages: say(encoded(*messages)), babble)
    if how == "stays":
        time.sleep(3600)


if __name__ == "__main__":
    main()
