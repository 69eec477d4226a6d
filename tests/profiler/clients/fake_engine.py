"""An engine without a device, for the tests of the client that starts it.

`fake_engine.py HOW`: "obeys" answers every command with a Log that quotes it, "stays" does not leave
when its stdin closes, nor at SIGTERM, "dies" is killed, "raises" and "refuses" end with a status and
a reason on stderr, "babbles" says what is no message, "hangs-up" closes its stdout and stays, "floods"
says a line of many MiB and reads its stdin late.
"""

from __future__ import annotations

import os
import signal
import sys
import time

FLOOD_BYTES = 8 * 1024 * 1024


def main() -> None:
    import msgspec

    from profiler.engine.control import EngineMessage, Hello
    from profiler.events import Finished, Log

    def say(message: EngineMessage) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()

    how = sys.argv[1]
    if how == "refuses":
        sys.exit("Error: there is no device 'cuda:9'; there is cpu")
    if how == "stays":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(Hello(kind="cpu", name="cpu", device_name=f"pid {os.getpid()} group {os.getpgid(0)}", catalog=()))
    match how:
        case "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "raises":
            raise ValueError("a bug of attnprof's own")
        case "babbles":
            sys.stdout.write("Welcome to \x1b[1mbox\x1b[0m!\n")
            sys.stdout.flush()
        case "hangs-up":
            os.close(1)
        case "floods":
            say(Log(level="info", message="x" * FLOOD_BYTES))
            time.sleep(0.3)
    for line in sys.stdin:
        say(Log(level="info", message=line.strip()))
    while how == "stays":
        time.sleep(1)
    say(Finished(ending="completed"))


if __name__ == "__main__":
    main()
