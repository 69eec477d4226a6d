"""Sets each claim of the attention labs beside what was measured.

    python benchmarks/lab_claims.py SESSION...    # lab6, lab5-seq, lab5-heads, lab5-emb, the lab's command

The labs ask students to run plain PyTorch and FlashAttention and to discuss what they see; the
claims are those that their write-ups make. A claim of a number holds within a quarter of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from profiler.recording import Recording
from profiler.rows import Row, rows
from profiler.session_reader import read_session
from profiler.units import mib, ms, plain_text, ratio, tflops
from profiler.workload import PASS_LABELS, PASSES, Pass

PLAIN, FLASH = "pytorch", "flash2"
NEAR = 0.25


@dataclass(frozen=True)
class Claim:
    """What the labs say, what was measured, and whether the one is the other."""

    text: str
    measured: str
    holds: str


class Session:
    """One session's rows, by what the labs vary."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recording = Recording.of(read_session(path).events)
        self.rows = rows(self.recording)

    @property
    def label(self) -> str:
        return self.recording.plan.label if self.recording.plan else ""

    def row(self, name: str, which: Pass, **shape: object) -> Row:
        """The one row of an implementation and pass whose workload has these attributes."""
        (found,) = (
            row
            for row in self.rows
            if row.implementation == name
            and row.which == which
            and all(getattr(row.workload, key) == value for key, value in shape.items())
        )
        return found

    def pairs(self) -> Iterator[tuple[Row, Row]]:
        """Every (plain, flash) pair of rows of the same shape and pass."""
        for row in self.rows:
            if row.implementation == FLASH:
                others = (other for other in self.rows if other.implementation == PLAIN)
                yield (
                    next(
                        other
                        for other in others
                        if (other.workload, other.which) == (row.workload, row.which)
                    ),
                    row,
                )


def speedup(row: Row) -> float:
    assert row.speedup is not None, f"{row.implementation} has no speedup: {row.status}"
    return row.speedup.median


def device_ms(row: Row) -> float:
    assert row.device_ms is not None, f"{row.implementation} has no time: {row.status}"
    return row.device_ms.median


def peak_mib(row: Row) -> float:
    """The labs' peak: everything allocated since before the inputs."""
    assert row.memory is not None
    return row.memory.absolute_bytes / 2**20


def verdict(holds: bool, otherwise: str) -> str:
    return "holds" if holds else f"differs: {otherwise}"


def near(value: float, claimed: float) -> bool:
    return abs(value - claimed) <= NEAR * claimed


def lab6(session: Session) -> Iterator[Claim]:
    ratios = [speedup(flash) for _, flash in session.pairs()]
    yield Claim(
        "Flash1 is faster than PyTorch in every stage",
        f"{ratio(min(ratios))} to {ratio(max(ratios))} over 6 shapes and 3 passes",
        verdict(min(ratios) > 1, "slower somewhere"),
    )
    stages: tuple[tuple[Pass, float], ...] = (("fwd", 3.0), ("bwd", 2.0))
    for which, claimed in stages:
        found = [speedup(session.row(FLASH, which, seq_k=1024, causal=causal)) for causal in (False, True)]
        yield Claim(
            f"{PASS_LABELS[which]} at seq 1024 about {claimed:g}x",
            f"{ratio(found[0])}, causal {ratio(found[1])}",
            verdict(
                near(found[0], claimed),
                "more, with version 2 on an H100; causal, it skips the half that PyTorch computes and masks",
            ),
        )
    for causal in (False, True):
        by_seq = [
            speedup(session.row(FLASH, "fwd_bwd", seq_k=seq, causal=causal)) for seq in (256, 512, 1024)
        ]
        yield Claim(
            f"the gap widens with seq ({'causal' if causal else 'not causal'})",
            " -> ".join(ratio(value) for value in by_seq) + " forward+backward",
            verdict(by_seq == sorted(by_seq), "it does not at every step"),
        )
    plain, flash = (
        peak_mib(session.row(name, "fwd_bwd", seq_k=1024, causal=False)) for name in (PLAIN, FLASH)
    )
    yield Claim(
        "peak memory at seq 1024: PyTorch near 5 GB",
        f"{mib(plain * 2**20)} MiB",
        verdict(near(plain / 1024, 5), "less"),
    )
    yield Claim(
        "peak memory at seq 1024: Flash1 about 1 GB",
        f"{mib(flash * 2**20)} MiB",
        verdict(
            near(flash / 1024, 1),
            "less: inputs 256 MiB, output and its sums 66, gradients 192, a float32 dq and its sums 130",
        ),
    )
    faster = [
        device_ms(session.row(FLASH, "fwd_bwd", seq_k=seq, causal=False))
        / device_ms(session.row(FLASH, "fwd_bwd", seq_k=seq, causal=True))
        for seq in (256, 512, 1024)
    ]
    yield Claim(
        "causal makes Flash1 faster",
        ", ".join(ratio(value) for value in faster) + " at seq 256, 512, 1024",
        verdict(min(faster) > 1, "not at every length"),
    )
    changes = [
        device_ms(session.row(PLAIN, "fwd_bwd", seq_k=seq, causal=True))
        / device_ms(session.row(PLAIN, "fwd_bwd", seq_k=seq, causal=False))
        for seq in (256, 512, 1024)
    ]
    yield Claim(
        "causal leaves PyTorch about the same",
        ", ".join(ratio(value) for value in changes) + " the time at seq 256, 512, 1024",
        verdict(
            all(near(value, 1) for value in changes),
            "reading and adding the mask costs a pass over the scores",
        ),
    )
    same = [
        peak_mib(session.row(name, which, seq_k=1024, causal=True))
        / peak_mib(session.row(name, which, seq_k=1024, causal=False))
        for name in (PLAIN, FLASH)
        for which in PASSES
    ]
    yield Claim(
        "peak memory is the same causal or not",
        f"{min(same):.3f} to {max(same):.3f} times at seq 1024",
        verdict(all(abs(value - 1) < 0.02 for value in same), "it changes"),
    )


def lab5(sessions: dict[str, Session]) -> Iterator[Claim]:
    every = [speedup(flash) for session in sessions.values() for _, flash in session.pairs()]
    yield Claim(
        "Flash2's execution time is far below PyTorch's at every seq, heads and emb_dim",
        f"{ratio(min(every))} to {ratio(max(every))} over 9 shapes and 3 passes",
        verdict(min(every) >= 2, "under twice as fast somewhere"),
    )
    heads = (32, 16, 8)
    rates = {
        name: [sessions["lab5-heads"].row(name, "fwd_bwd", heads=count).tflops or 0.0 for count in heads]
        for name in (PLAIN, FLASH)
    }
    for name, found in rates.items():
        yield Claim(
            f"fewer heads: higher FLOP rate ({name})",
            " -> ".join(tflops(value) for value in found) + " TFLOP/s at 32, 16, 8 heads",
            verdict(found == sorted(found), "not at every step"),
        )
    peaks = [peak_mib(sessions["lab5-heads"].row(FLASH, "fwd_bwd", heads=count)) for count in heads]
    yield Claim(
        "Flash2's memory hardly changes with heads",
        ", ".join(mib(value * 2**20) for value in peaks) + " MiB at 32, 16, 8 heads",
        verdict(
            max(peaks) / min(peaks) < 1 + NEAR,
            "the backward's float32 dq is padded to head dim 32: 64 MiB at 32 heads of 8",
        ),
    )
    for name in (PLAIN, FLASH):
        falls = [
            peak_mib(sessions["lab5-emb"].row(name, "fwd_bwd", head_dim=emb // 32)) for emb in (512, 256, 128)
        ]
        yield Claim(
            f"memory falls with emb_dim ({name})",
            ", ".join(mib(value * 2**20) for value in falls) + " MiB at 512, 256, 128",
            verdict(
                falls == sorted(falls, reverse=True) and falls[0] > falls[-1],
                "at 128 the head dim is 4, and flash-attn copies all tensors to pad it to 8",
            ),
        )


def lab5_command(session: Session) -> Claim:
    row = session.row(FLASH, "fwd_bwd", batch=32, seq_k=1024, heads=32, head_dim=64)
    command = session.recording.header.command if session.recording.header else ""
    return Claim(
        "the spec's own command ran out of memory: sizes had to be cut by hand until it fitted",
        f"`{plain_text(command)}` ran as written: {ms(device_ms(row))} ms forward+backward, "
        f"{mib(peak_mib(row) * 2**20)} MiB at its peak",
        "does not arise on 80 GB; on a smaller card the largest batch that fits would be said",
    )


def main() -> int:
    sessions = [Session(Path(argument)) for argument in sys.argv[1:]]
    named = {session.label: session for session in sessions}
    (command,) = (session for session in sessions if not session.label.startswith("lab"))
    claims = [
        *lab6(named["lab6"]),
        *lab5({label: named[label] for label in ("lab5-seq", "lab5-heads", "lab5-emb")}),
        lab5_command(command),
    ]
    environment = named["lab6"].recording.header
    assert environment is not None and environment.environment.gpu is not None
    print("# The attention labs' claims, measured\n")
    print(
        "Output of `python benchmarks/lab_claims.py` over the sessions below. Flash is FlashAttention 2 "
        f"(flash-attn {environment.environment.packages.get('flash-attn', '?')}) on one "
        f"{environment.environment.gpu.name}; lab 6 was written for FlashAttention 1. Times are device "
        "times; peaks are the labs' own (everything allocated since before the inputs). A claimed "
        f"number holds within {NEAR:.0%}.\n"
    )
    print("| claim | measured | verdict |\n|---|---|---|")
    for claim in claims:
        print(f"| {claim.text} | {claim.measured} | {claim.holds} |")
    print("\nSessions:\n")
    for session in sessions:
        print(f"- `sessions/{session.path.name}`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
