"""The report's section that says which implementation to take."""

from __future__ import annotations

import msgspec

from profiler.events import Event, Imported, Planned
from profiler.export.markdown.advice import which_to_take
from profiler.session.recording import Recording
from tests.examples import attention, cases, checked, header, lab6, lab6_events, measured, plan, single
from tests.training_examples import study


def lines(recording: Recording) -> list[str]:
    told = which_to_take(recording)
    assert told is not None
    return [line for line in told.splitlines() if line.startswith("- ")]


def test_each_way_the_choice_goes_is_a_line() -> None:
    assert lines(lab6()) == [
        "- forward: **sdpa** at seq 512 (1.50x ±0.01 over flash2, 3.00x ±0.01 over pytorch); "
        "**pytorch** at 4k (nothing else finished right: flash2 crashed)",
        "- backward and forward+backward: **sdpa** at seq 512 (1.50x over flash2, 3.00x over pytorch); "
        "nothing finished at 4k (pytorch OOM; flash2 crashed)",
    ]


def test_trainings_have_their_line() -> None:
    assert lines(study()) == [
        "- training: **sdpa-flash** at context 256 (1.02x ±0.01 over flash2); "
        "**flash2** for 1k to 4k (up to 1.43x over sdpa-flash)"
    ]


def test_a_session_without_a_choice_has_no_such_section() -> None:
    assert which_to_take(single()) is None
    assert which_to_take(Recording()) is None
    of = Imported(files=("benchmark_result.json",))
    imported = [msgspec.structs.replace(header(), imported=of), *lab6_events()[1:]]
    assert which_to_take(Recording.of(imported)) is None


def test_a_sweep_over_many_axes_says_the_first_lines_and_how_many_more_there_are() -> None:
    """Of 14 head dims each has a choice of its own, so no two are one line."""
    head_dims = range(8, 8 + 8 * 14, 8)
    shapes = [attention(seq=seq, head_dim=dim) for dim in head_dims for seq in (512, 1024)]
    names = ["pytorch", *(f"flash{dim}" for dim in head_dims)]
    whole = plan(shapes, names, ["fwd"])
    events: list[Event] = [Planned(plan=whole)]
    for case in cases(whole):
        is_ahead = case.implementation == f"flash{case.workload.head_dim}"
        events += [*checked(case), *measured(case, ["fwd"], speed=2 if is_ahead else 1)]
    told = lines(Recording.of(events))
    assert told[:12] == [
        f"- forward, head dim {dim}: **flash{dim}** for seq 512 to 1k (2.00x over pytorch)"
        for dim in list(head_dims)[:12]
    ]
    assert told[12:] == ["- and 2 further lines: `attnprof best` has all"]


def test_names_are_escaped() -> None:
    whole = plan([attention()], ["pytorch", "a|b<x>"], ["fwd"])
    base, other = cases(whole)
    events = [*checked(base), *measured(base, ["fwd"]), *checked(other), *measured(other, ["fwd"], speed=2)]
    assert lines(Recording.of([Planned(plan=whole), *events])) == [
        "- forward: **a\\|b&lt;x&gt;** (2.00x ±0.01 over pytorch)"
    ]
