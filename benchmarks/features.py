"""Whether each implementation can do what it claims, and nothing else: tried, cell by cell.

    python -m benchmarks.features -o docs/features.md     # on the GPU if there is one; Markdown

A cell is a shape: odd lengths, more queries than keys and fewer, head dims from 4 to 264, grouped
queries, windows, softcap, dropout, batches of unlike lengths, decoding, causal and not, in three
dtypes (benchmarks/features_grid.py). In each, every implementation and its variants make their real
first calls, forward and backward, and are judged by the rule of every run (docs/measurement.md); dropout
by what it must be on average, and a deterministic variant by its bits too. What an implementation's
rules refuse is tried as well, past the rules: a refusal may be true or say too little.

Some of that faults. So cells are tried in processes of their own, several at once, for this is about
right and wrong and not about time; one that dies or hangs is a crash of its cell, and another takes
its place. What compiles for seconds for each shape has a reduced grid.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import msgspec

import impls
from benchmarks import features_grid as grid
from benchmarks.features_plan import Planned, jobs, plan
from benchmarks.features_pool import ChildLost, Order, Pool, Report
from benchmarks.features_report import Run, render, verdict
from benchmarks.features_results import Result, judge
from impls.contract import DeviceInfo, Implementation
from profiler.engine.protocol import Ready
from profiler.features import matrix
from profiler.machine.environment import Device, DeviceError, describe, resolve_device
from profiler.machine.telemetry import usable_cpus
from profiler.units import count

CHILD = (sys.executable, "-m", "benchmarks.features_child")
_CELL_LIMIT_S = 90.0
_MOST_JOBS = 8
_NOT_OF_INTEREST = ("attnprof", "torch", "numpy", "textual", "nvidia-ml-py")


def main(arguments: Sequence[str] | None = None, child: Sequence[str] = CHILD) -> int:
    options = _options(arguments)
    try:
        device = resolve_device(options.device)
        names = options.only.split(",") if options.only else grid.names(device.info)
        chosen = [impls.find(name) for name in names]
    except (DeviceError, impls.UnknownImplementation) as error:
        sys.exit(f"{error}")
    unavailable = _unavailable(chosen, device.info)
    planned = plan(
        [implementation for implementation in chosen if implementation.name not in unavailable],
        device.info,
        quick=options.quick,
    )
    began_s = time.monotonic()
    known = _known(planned, options.known)
    results, ready = try_all(
        planned, known, (*child, device.name), options, until_s=began_s + options.time_limit
    )
    head = f"{_device_line(device, ready)}\n{_extent(planned, known, time.monotonic() - began_s, options)}"
    tried = [impls.find(name) for name in dict.fromkeys(result.name for result in results)]
    report = render(Run(head, results, matrix(tried, device.info), unavailable))
    if options.output:
        options.output.write_text(report, encoding="utf-8")
        print(f"{verdict(results)} {options.output} has the details.", file=sys.stderr)
    else:
        print(report, end="")
    return 1 if any(result.is_bad for result in results) else 0


def _known(planned: Sequence[Planned], raw: Path | None) -> dict[int, Result]:
    """What an earlier run has settled, by the numbers of the cells; what failed or was not tried is open."""
    if raw is None:
        return {}
    lines = raw.read_bytes().splitlines()
    earlier = [msgspec.json.decode(line, type=Result) for line in lines]
    settled = {
        (result.name, result.about, result.workload, result.refused): result
        for result in earlier
        if not result.is_bad and result.status != "untried"
    }
    keys = [(each.implementation.name, each.cell.about, each.cell.workload, each.refused) for each in planned]
    return {number: settled[key] for number, key in enumerate(keys) if key in settled}


def try_all(
    planned: Sequence[Planned],
    known: Mapping[int, Result],
    child: Sequence[str],
    options: argparse.Namespace,
    *,
    until_s: float,
) -> tuple[list[Result], Ready | None]:
    """What became of the cells, those that are known left alone, and the device as a child found it."""
    with Recorder(planned, known, options.raw) as recorder:
        pool = Pool(child, recorder.told, _CELL_LIMIT_S, until_s)
        with suppress(KeyboardInterrupt):  # what is known by then is worth a report
            try:
                pool.work_through(jobs(planned, known), options.jobs)
            except ChildLost as error:
                sys.exit(f"{error}")
        return recorder.results(), pool.ready


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--only", metavar="NAMES", help="these implementations, as in --impl")
    parser.add_argument("--quick", action="store_true", help="one shape of each feature, in two dtypes")
    parser.add_argument("--jobs", type=int, default=_usual_jobs(), metavar="N", help="processes at once")
    parser.add_argument(
        "--time-limit", type=float, default=float("inf"), metavar="S", help="begin nothing after S seconds"
    )
    parser.add_argument("--raw", type=Path, metavar="FILE", help="each result as a JSON line, as it comes")
    parser.add_argument(
        "--known",
        type=Path,
        metavar="FILE",
        help="an earlier run's --raw: try only what it left open",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the Markdown goes")
    return parser.parse_args(arguments)


def _usual_jobs() -> int:
    return max(1, min(_MOST_JOBS, usable_cpus() // 2))


def _unavailable(chosen: Sequence[Implementation], device: DeviceInfo) -> dict[str, str]:
    """Those that cannot run here at all, of the chosen ones and of all others that there are."""
    return {
        implementation.name: reason
        for implementation in (*chosen, *impls.catalog())
        if (reason := implementation.unavailable(device))
    }


class Recorder:
    """Keeps what becomes of the cells, writes it down as it comes, and says on stderr how it goes."""

    def __init__(self, planned: Sequence[Planned], known: Mapping[int, Result], raw: Path | None) -> None:
        self._planned = planned
        self._results = dict(known)
        self._claims_left = Counter(
            each.implementation.name
            for number, each in enumerate(planned)
            if each.refused is None and number not in known
        )
        self._raw: TextIO | None = raw.open("w", encoding="utf-8") if raw else None
        for result in known.values():
            self._write(result)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._raw:
            self._raw.close()

    def told(self, order: Order, report: Report) -> None:
        """What became of an order."""
        result = self._results[order.number] = self._result(order.number, report)
        self._write(result)
        if result.refused is None:
            self._claims_left[result.name] -= 1
            if not self._claims_left[result.name]:
                of_it = [each for each in self._results.values() if each.name == result.name]
                print(f"{result.name}: {verdict(of_it)}", file=sys.stderr, flush=True)

    def _write(self, result: Result) -> None:
        if self._raw:
            self._raw.write(msgspec.json.encode(result).decode() + "\n")
            self._raw.flush()

    def results(self) -> list[Result]:
        """Of all cells, in their order."""
        interrupted = Report(skipped="interrupted")
        return [
            self._results.get(number) or self._result(number, interrupted)
            for number in range(len(self._planned))
        ]

    def _result(self, number: int, report: Report) -> Result:
        planned = self._planned[number]
        status, message = judge(planned.refused, report)
        return Result(
            name=planned.implementation.name,
            about=planned.cell.about,
            workload=planned.cell.workload,
            refused=planned.refused,
            status=status,
            message=message,
        )


def _device_line(device: Device, ready: Ready | None) -> str:
    if ready is None:
        return f"{device.info.name}."
    environment = describe(device.name, device.gpu, ask_git=False)
    parts = [device.info.name, f"torch {ready.torch}"]
    parts += [
        f"{name} {version}" for name, version in (("CUDA", ready.cuda), ("cuDNN", ready.cudnn)) if version
    ]
    parts += [
        f"{name} {version}" for name, version in environment.packages.items() if name not in _NOT_OF_INTEREST
    ]
    return f"{', '.join(parts)}."


def _extent(
    planned: Sequence[Planned], known: Mapping[int, Result], took_s: float, options: argparse.Namespace
) -> str:
    names = dict.fromkeys(each.implementation.name for each in planned)
    said = (
        f"{count(len(planned), 'cell')} of {count(len(names), 'implementation')} (variants counted) in "
        f"{took_s:.0f} s, by {count(options.jobs, 'process', 'processes')}."
    )
    if known:
        said += f" {count(len(known), 'cell')} of them settled by an earlier run on the same machine."
    if options.quick:
        return f"{said} A quick look: one shape of each feature."
    reduced = dict.fromkeys(
        each.implementation.name for each in planned if grid.compiles(each.implementation)
    )
    if reduced:
        said += f"\nReduced grids, because they compile for each shape: {', '.join(reduced)}."
    return said


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the children too
    sys.exit(main())
