"""The study's tables and what is behind them, as terminals of some widths show them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console

from profiler.events import Event, Finished, TrainingPlanned
from profiler.session.recording import Recording
from profiler.training.columns import training_columns
from profiler.training.rows import training_rows
from profiler.training.wording import graph_breaks
from tests.examples import header
from tests.training_examples import (
    begun,
    study,
    study_events,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
    wavering,
)
from tui.tables.training import training_line, training_view, whole


def shown(recording: Recording, width: int) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as captured:
        for part in training_view(recording, width=width):
            console.print(part)
    return [line.rstrip() for line in captured.get().splitlines()]


def line_of(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.strip().startswith(start))


def words(line: str) -> str:
    return " ".join(line.split())


def of_one(*events: Event, names: tuple[str, ...] = ("pytorch", "flash2"), **plan: object) -> Recording:
    """A session of one row and two implementations, with these events of its cases."""
    planned = TrainingPlanned(plan=training_plan([training()], names, **plan))
    return Recording.of([header(), planned, *events])


FIRST, SECOND = training_cases(training_plan([training()], ("pytorch", "flash2")))


@pytest.mark.parametrize("width", [60, 80, 100, 132, 200])
def test_it_fits_its_width_and_cuts_no_figure(width: int) -> None:
    lines = shown(study(), width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert "72,785" in "".join(lines)


def test_the_studys_table_has_a_line_a_context_with_the_implementations_side_by_side() -> None:
    lines = shown(study(), 200)
    assert lines[0] == "gpt2-small, compile, float16, adamw-foreach, vocab 16384"
    assert lines[1] == "held to 12.0 GiB (--memory-limit)"
    assert lines[2].split() == ["pytorch", "sdpa-flash", "flash2", "flash2", "-", "sdpa-flash"]
    assert words(line_of(lines, "256")) == (
        "256 52 63,820 64 72,785 1.14x ±0.01 64 71,628 1.12x ±0.01 -1,157 -1.6"
    )


def test_what_did_not_fit_is_a_word_and_the_reason_is_below() -> None:
    lines = shown(study(), 200)
    assert line_of(lines, "4096").split() == ["4096", "OOM", "4", "37,697", "4", "53,791", "+16,094", "+29.9"]
    assert "pytorch at context 4096: OOM: not even a batch of 1 fits (6.00 GiB asked for)" in lines


def test_eighty_columns_have_batch_throughput_and_how_sure_a_speedup_is() -> None:
    """A difference has no uncertainty: it goes before that of a speedup does."""
    lines = shown(study(), 80)
    assert words(line_of(lines, "256")) == "256 52 63,820 64 72,785 1.14x ±0.01 64 71,628 1.12x ±0.01"
    assert "not shown for want of width: difference in tokens/s, difference in %" in lines


def tied(*names: str) -> Recording:
    """A row whose second implementation is not told from the first, however much more its tokens/s are."""
    plan = training_plan([training()], names)
    first, second, *others = training_cases(plan)
    events: list[Event] = [*trained(first, batch=8, tokens_per_s=50_000)]
    events += wavering(trained(second, batch=8, tokens_per_s=42_000))
    for case in others:
        events += trained(case, batch=8, tokens_per_s=60_000)
    return of_one(*events, names=names)


def test_a_tie_is_one_at_every_width() -> None:
    assert words(line_of(shown(tied("pytorch", "flash2"), 100), "1024")) == (
        "1024 8 50,000 8 42,000 1.05x tie ~-8,000 ~-19.0"
    )
    narrow = shown(tied("pytorch", "flash2", "sdpa"), 72)
    assert words(line_of(narrow, "1024")) == "1024 8 50,000 8 42,000 tie 8 60,000 1.20x"
    assert "not shown for want of width: ±, difference in tokens/s, difference in %" in narrow
    assert "tie: the interval holds 1" in narrow


def test_what_the_marks_of_a_difference_mean_is_told_below_it() -> None:
    lines = shown(tied("pytorch", "flash2"), 200)
    assert any("~ a difference that the rounds do not show: either may be ahead" in line for line in lines)
    assert "difference: flash2 - pytorch, % of flash2's own tokens/s" in lines
    assert not any("~" in line for line in shown(study(), 200))


def test_implementations_below_each_other_keep_the_difference_or_say_that_it_is_not_shown() -> None:
    recording = tied("pytorch", "flash2", "sdpa", "sdpa-flash")
    lines = shown(recording, 80)
    assert words(line_of(lines, "sdpa-flash")) == "sdpa-flash 8 60,000 1.20x ±0.01 ~+0 ~+0.0"
    assert "not shown for want of width: difference in tokens/s," in shown(recording, 52)


def test_a_session_cut_short_tells_what_did_not_fit_from_what_was_not_measured() -> None:
    oom, started = (
        training_failed(FIRST, "oom", "not even a batch of one fits"),
        [*trained(SECOND, batch=2, tokens_per_s=1.0)][:4],
    )
    recording = of_one(oom, *started, Finished(ending="interrupted"))
    assert words(line_of(shown(recording, 80), "1024")) == "1024 OOM 2 not measured"
    narrow = shown(recording, 48)
    assert words(line_of(narrow, "1024")) == "1024 OOM 2 -"
    assert "- not measured" in narrow


def test_the_parts_of_a_step_stay_together_behind_its_batch() -> None:
    for width in (50, 60, 80, 120):
        titles = next(line.split() for line in shown(study(), width) if "step" in line.split())
        parts = {"forward", "backward", "optimizer"} & set(titles)
        assert len(parts) in (0, 3)
    lines = shown(study(), 80)
    start = lines.index("What a step is made of")
    assert words(line_of(lines[start:], "flash2")).startswith("flash2 64 228.7 68.6 137.2 22.9")


def test_sixty_columns_have_the_implementations_below_each_other() -> None:
    lines = shown(study(), 60)
    assert line_of(lines, "256").split() == ["256", "pytorch", "52", "63,820"]
    assert line_of(lines, "sdpa-flash").split()[:4] == ["sdpa-flash", "64", "72,785", "1.14x"]


def test_a_step_is_told_in_parts_with_memory_rates_clocks_and_compilation() -> None:
    lines = shown(study(), 220)
    start = lines.index("What a step is made of")
    assert words(line_of(lines[start:], "flash2")) == (
        "flash2 64 228.7 ±1.0% 68.6 137.2 22.9 31 96 9.00 10.0 11.0 4.4 6.3 1500 650 9.07 20.0 12 9.7042 "
        "0.80x"
    )
    at_eighty = shown(study(), 80)
    assert any("not shown for want of width: MFU, GPU busy, compile" in line for line in at_eighty)


def test_graph_breaks_are_named_and_conditions_told_once() -> None:
    lines = shown(study(), 200)
    assert "flash2 at context 256 and 2 more: 12 graph breaks: call to a C extension (12 x)" in lines
    assert lines[-1] == ("power cap in 100 % of readings: 8 cases; times are those of a lower clock")


def test_of_many_reasons_for_breaks_the_most_frequent_is_told() -> None:
    row = replace(training_rows(study())[0], graph_breaks={"a": 1, "traced": 85, "c": 2})
    assert graph_breaks(row) == "88 graph breaks: traced (85 x), and 2 other reasons"


def test_a_case_under_way_has_dots_and_what_has_not_begun_is_blank() -> None:
    lines = shown(of_one(begun(FIRST)), 80)
    assert line_of(lines, "1024").split() == ["1024", "..."]


@pytest.mark.parametrize(
    ("kind", "message", "cell"),
    [
        ("unsupported", "takes head dims up to 32, not 64", "n/a"),
        ("diverged", "the loss was not finite from step 7 on", "diverged"),
        ("crashed", "the worker was killed by SIGKILL", "crashed"),
        ("error", "torch.compile failed", "error"),
    ],
)
def test_a_failure_is_a_word_in_its_cell_and_a_sentence_below(kind: str, message: str, cell: str) -> None:
    lines = shown(of_one(training_failed(SECOND, kind, message)), 80)
    assert line_of(lines, "1024").split()[-1] == cell
    assert any(line.startswith("flash2: ") and line.endswith(message) for line in lines)


def test_what_disagrees_with_plain_pytorch_is_wrong_and_has_no_throughput() -> None:
    events = [
        *trained(FIRST, batch=6, tokens_per_s=42_936),
        *trained(SECOND, batch=16, tokens_per_s=65_523, verdict="wrong"),
    ]
    text = " ".join(" ".join(shown(of_one(*events), 80)).split())
    assert "65,523" not in text
    assert "flash2: wrong: loss 11.9000 is off by 2.2, limit 0.01" in text


def test_what_an_interruption_left_out_is_told_as_not_measured() -> None:
    recording = of_one(
        *trained(FIRST, batch=6, tokens_per_s=42_936), Finished(ending="interrupted", reason="Ctrl+C")
    )
    lines = shown(recording, 80)
    assert "flash2: not measured" in lines
    assert line_of(lines, "1024").split()[1:3] == ["6", "42,936"]


def test_a_pipe_gets_the_whole_table_as_plain_text() -> None:
    text = whole(study())
    assert "\x1b" not in text
    assert "not shown" not in text
    assert "64    72,785  1.14x ±0.01" in text


def test_a_plain_line_says_which_who_and_how_fast() -> None:
    recording = study()
    columns = training_columns(row.training for row in training_rows(recording))
    lines = [training_line(row, columns) for row in training_rows(recording)]
    assert lines[1] == (
        "context 256  sdpa-flash  batch 64  72,785 tokens/s  225.1 ms a step ±1.0%  9.00 GiB  MFU 4.5 %  "
        "1.14x ±0.01"
    )
    assert lines[6] == ("context 4096  pytorch  OOM: not even a batch of 1 fits (6.00 GiB asked for)")


def test_names_and_escapes_of_a_session_are_neither_markup_nor_commands() -> None:
    case, _ = training_cases(training_plan([training()], ("a[b]\x1b[31m", "c")))
    lines = shown(
        of_one(
            *trained(case, batch=1, tokens_per_s=100.0, notes=["\x1b]0;x\x07note"]),
            names=("a[b]\x1b[31m", "c"),
        ),
        80,
    )
    assert "\x1b" not in "".join(lines)
    assert any("a[b]" in line for line in lines)
    assert any("note" in line for line in lines)


def test_a_live_recording_and_its_file_show_the_same() -> None:
    live = Recording()
    for event in study_events():
        live.add(event)
    assert shown(live, 120) == shown(study(), 120)


def test_a_title_is_as_wide_as_it_likes_over_a_table_of_few_columns() -> None:
    recording = of_one(*trained(FIRST, batch=8, tokens_per_s=50_000), names=("pytorch",))
    assert shown(recording, 80)[0] == "gpt2-small, compile, float16, adamw-foreach, vocab 16384"


def test_parts_have_no_empty_lines_of_their_own() -> None:
    """Whoever prints them puts one between."""
    lines = shown(study(), 80)
    assert not any(not above and not below for above, below in pairwise(lines))
    assert lines[0] and lines[-1]
