"""Sets each claim of the attention labs beside what was measured.

    python benchmarks/lab_claims.py SESSION...    # lab6, lab5-seq, lab5-heads, lab5-emb, the lab's command

The labs ask students to run plain PyTorch and FlashAttention and to discuss what they see; the
claims are those that their write-ups make. A claim of a number holds within a quarter of it.
Prints the table of docs/lab-claims.md, where what differs is explained.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from profiler.results.rows import Row, rows
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.units import ms, ratio, tflops
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


def verdict(holds: bool, otherwise: str = "not everywhere") -> str:
    return "holds" if holds else f"differs: {otherwise}"


def about(value: float, claimed: float) -> str:
    """Whether a figure is the claimed one, and on which side it is if not."""
    return verdict(abs(value - claimed) <= NEAR * claimed, "more" if value > claimed else "less")


def rising(values: list[float]) -> bool:
    return values == sorted(values)


def arrows(values: list[float], text: Callable[[float], str]) -> str:
    return " -> ".join(map(text, values))


def faster_everywhere(sessions: Iterable[Session], least: float) -> tuple[str, str]:
    """The range of all speedups of Flash over plain PyTorch, and whether they reach `least`."""
    found = [speedup(flash) for session in sessions for _, flash in session.pairs()]
    measured = f"{ratio(min(found))} to {ratio(max(found))} in {len(found)} pairs of shape and pass"
    return measured, verdict(min(found) > least)


def lab6(session: Session) -> Iterator[Claim]:
    lengths = (256, 512, 1024)
    yield Claim("Flash1 is faster than PyTorch in every stage", *faster_everywhere([session], 1))
    stages: tuple[tuple[Pass, float], ...] = (("fwd", 3.0), ("bwd", 2.0))
    for which, claimed in stages:
        for causal in (False, True):
            found = speedup(session.row(FLASH, which, seq_k=1024, causal=causal))
            masked = "causal" if causal else "not causal"
            text = f"{PASS_LABELS[which]} at seq 1024 about {claimed:g}x"
            yield Claim(f"{text} ({masked})", ratio(found), about(found, claimed))
    for causal in (False, True):
        by_seq = [speedup(session.row(FLASH, "fwd_bwd", seq_k=seq, causal=causal)) for seq in lengths]
        masked = "causal" if causal else "not causal"
        yield Claim(f"the gap widens with seq ({masked})", arrows(by_seq, ratio), verdict(rising(by_seq)))
    for name, claimed_mib in ((PLAIN, 5 * 1024), (FLASH, 1024)):
        peak = max(peak_mib(session.row(name, which, seq_k=1024, causal=False)) for which in PASSES)
        text = f"peak memory at seq 1024 near {claimed_mib // 1024} GB ({name})"
        yield Claim(text, f"{peak:.0f} MiB", about(peak, claimed_mib))
    for name, text in (
        (FLASH, "causal makes Flash1 faster"),
        (PLAIN, "causal leaves PyTorch about the same"),
    ):
        share = [
            device_ms(session.row(name, "fwd_bwd", seq_k=seq, causal=True))
            / device_ms(session.row(name, "fwd_bwd", seq_k=seq, causal=False))
            for seq in lengths
        ]
        holds = max(share) < 1 if name == FLASH else all(abs(value - 1) <= 0.1 for value in share)
        measured = ", ".join(ratio(value) for value in share) + " the time at seq 256, 512, 1024"
        yield Claim(text, measured, verdict(holds))
    same = [
        peak_mib(session.row(name, which, seq_k=1024, causal=True))
        / peak_mib(session.row(name, which, seq_k=1024, causal=False))
        for name in (PLAIN, FLASH)
        for which in PASSES
    ]
    measured = f"{min(same):.3f} to {max(same):.3f} times at seq 1024"
    yield Claim(
        "peak memory is the same causal or not",
        measured,
        verdict(all(abs(value - 1) < 0.02 for value in same)),
    )


def lab5(sessions: dict[str, Session]) -> Iterator[Claim]:
    text = "Flash2's execution time is far below PyTorch's at every seq, heads and emb_dim"
    yield Claim(text, *faster_everywhere(sessions.values(), 2))
    by_heads, by_emb = sessions["lab5-heads"], sessions["lab5-emb"]
    heads, emb_dims = (32, 16, 8), (512, 256, 128)
    for name in (PLAIN, FLASH):
        rates = [by_heads.row(name, "fwd_bwd", heads=number).tflops or 0.0 for number in heads]
        measured = arrows(rates, tflops) + " TFLOP/s at 32, 16, 8 heads"
        yield Claim(f"fewer heads: higher FLOP rate ({name})", measured, verdict(rising(rates)))
    peaks = [peak_mib(by_heads.row(FLASH, "fwd_bwd", heads=number)) for number in heads]
    measured = ", ".join(f"{value:.0f}" for value in peaks) + " MiB at 32, 16, 8 heads"
    same = max(peaks) <= (1 + NEAR) * min(peaks)
    yield Claim("Flash2's memory hardly changes with heads", measured, verdict(same, "it falls"))
    for name in (PLAIN, FLASH):
        falls = [peak_mib(by_emb.row(name, "fwd_bwd", head_dim=emb_dim // 32)) for emb_dim in emb_dims]
        measured = arrows(falls, lambda value: f"{value:.0f}") + " MiB at 512, 256, 128"
        yield Claim(f"memory falls with emb_dim ({name})", measured, verdict(rising(falls[::-1])))


def lab5_command(session: Session) -> Claim:
    row = session.row(FLASH, "fwd_bwd", batch=32, seq_k=1024, heads=32, head_dim=64)
    return Claim(
        "the spec's own command ran out of memory: sizes had to be cut by hand until it fitted",
        f"runs as written: {ms(device_ms(row))} ms forward+backward, {peak_mib(row):.0f} MiB at its peak",
        "differs: nothing was cut",
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
    print("| claim | measured | verdict |\n|---|---|---|")
    for claim in claims:
        print(f"| {claim.text} | {claim.measured} | {claim.holds} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
