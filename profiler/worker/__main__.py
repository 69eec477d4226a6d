"""`python -m profiler.worker DEVICE [MEMORY_LIMIT_BYTES]`: serves requests until stdin closes.

Requests come on stdin, events go to stdout, both as JSON lines.
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO, NoReturn

import msgspec

from profiler.engine.protocol import (
    CutShort,
    MeasureCeilings,
    MeasureShape,
    MeasureTraining,
    NotReady,
    Request,
    WorkerMessage,
)
from profiler.worker import cut

EXIT_FAILED = 1
EXIT_NOT_READY = 3
EXIT_DEVICE_LOST = 4


def main() -> int:
    """Serve one device; the exit status says why if it ends before stdin does."""
    # torch's profiler announces each of its starts at a level above errors; the log is for what matters.
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")
    send = _take_stdout()
    requests = _read_requests(sys.stdin.buffer)
    try:
        import impls
        from profiler.worker.ceilings import send_ceilings
        from profiler.worker.devices import open_device
        from profiler.worker.lost import DeviceLost
        from profiler.worker.shape import measure_shape
        from profiler.worker.training.row import measure_training

        name, *limit = sys.argv[1:]
        device = open_device(name, int(limit[0]) if limit else None)
        gc.freeze()  # a collection would go through all that torch has loaded, a tenth of a second each time
        send(device.facts())
    except Exception as error:
        send(NotReady(message=f"{type(error).__name__}: {' '.join(str(error).split())}"))
        return EXIT_NOT_READY
    while True:
        try:
            match requests.get():
                case MeasureShape() as request:
                    measure_shape(request, device, impls.find, send)
                case MeasureTraining() as request:
                    measure_training(request, device, impls.find, send)
                case MeasureCeilings(dtypes=dtypes):
                    send_ceilings(dtypes, device, send)
        except DeviceLost as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_DEVICE_LOST


def run_and_exit() -> NoReturn:
    """Serve, and leave without the interpreter's own shutdown: it would stumble over the thread on stdin."""
    try:
        status = main()
    except BaseException:
        traceback.print_exc()
        status = EXIT_FAILED
    sys.stderr.flush()
    os._exit(status)


def _take_stdout() -> Callable[[WorkerMessage], None]:
    """Keep the real stdout for messages; what libraries print goes to stderr, the log."""
    channel = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    encode = msgspec.json.Encoder().encode

    def send(message: WorkerMessage) -> None:
        line = encode(message) + b"\n"
        while line:  # a pipe may take a long line in parts
            line = line[os.write(channel, line) :]

    return send


def _read_requests(stdin: BinaryIO) -> queue.SimpleQueue[Request]:
    """Requests as they come, read by a thread that ends the process when stdin closes, whatever else runs."""
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    decode: Callable[[bytes], Request] = msgspec.json.Decoder(Request).decode

    def read() -> None:
        try:
            for line in stdin:
                request = decode(line)
                if isinstance(request, CutShort):
                    cut.ask()  # at once: it is about what runs
                    continue
                cut.forget()  # the engine waits for a shape's end before it asks for the next
                requests.put(request)
        except Exception:
            traceback.print_exc()
            os._exit(EXIT_FAILED)
        os._exit(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return requests


if __name__ == "__main__":
    run_and_exit()
