"""The study's table in the app: what stands in its cells, and how it fits."""

from __future__ import annotations

from profiler.events import Event, TrainingPlanned
from profiler.session.recording import Recording
from profiler.training.rows import training_rows
from profiler.training.study import study_tables
from tests.examples import header
from tests.training_examples import (
    begun,
    steps,
    study,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.pictures.cells import Window, draw, fitting
from tui.app.pictures.look import PLAIN
from tui.app.pictures.study import Study, caption, describe, study_grid, study_of, title


def told(recording: Recording, running: int | None = None) -> Study:
    rows = training_rows(recording)
    return study_of(study_tables(rows), rows, running)


def drawn(shown: Study, width: int = 120, glyphs: Glyphs = UNICODE) -> list[str]:
    grid = fitting(study_grid(shown, glyphs), width)
    lines = draw(grid, Window(), width, 40, look=PLAIN, glyphs=glyphs)
    return [line.plain.rstrip() for line in lines]


def test_a_row_has_batch_throughput_speedup_and_the_difference_of_the_last_two() -> None:
    names, captions, first, second, third = drawn(told(study()), width=100)
    assert " ".join(names.split()) == "● = pytorch ■ sdpa-flash ▲ flash2 flash2 - sdpa-flash"
    assert captions.split() == ["context", *["batch", "tokens/s"] * 3, "tokens/s", "%"]
    assert first.split()[:8] == ["256", "52", "63,820", "64", "72,785", "1.14x", "64", "71,628"]
    assert second.split()[-2:] == ["+458", "+0.7"]
    assert third.split() == ["4096", "OOM", "4", "37,697", "4", "53,791", "+16,094", "+29.9"]


def test_figures_stand_below_their_captions() -> None:
    _, captions, first, *_ = drawn(told(study()))
    for word, figure in (("batch", " 52"), ("tokens/s", "63,820")):
        assert captions.index(word) + len(word) == first.index(figure) + len(figure)


def test_three_implementations_of_several_models_fit_into_80_columns() -> None:
    plan = training_plan([training(model) for model in ("small", "medium")])
    lines = drawn(told(Recording.of([header(), TrainingPlanned(plan=plan)])), width=78)
    assert "flash2" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["small", "medium"]
    assert max(map(len, lines)) <= 78


def test_the_difference_gives_way_where_room_is_short() -> None:
    assert "flash2 - sdpa-flash" not in drawn(told(study()), width=80)[0]


def test_a_speedup_that_may_as_well_be_none_is_a_tie_and_a_margin_is_said_where_there_is_room() -> None:
    plan = training_plan([training()], ("pytorch", "sdpa", "flash2"))
    plain, other, third = training_cases(plan)
    events: list[Event] = [header(), TrainingPlanned(plan=plan)]
    events += trained(plain, batch=8, tokens_per_s=50_000.0)
    events += trained(other, batch=8, tokens_per_s=50_000.0)
    events += trained(third, batch=8, tokens_per_s=60_000.0)
    narrow, wide = (drawn(told(Recording.of(events)), width=width)[2] for width in (80, 120))
    assert narrow.split()[3:] == ["8", "50,000", "tie", "8", "60,000", "1.20x"]
    assert wide.split()[5:7] == ["1.00x", "tie"] and "1.20x ±0.0" in wide
    ascii_only = drawn(told(Recording.of(events)), glyphs=ASCII)[2]
    assert "1.20x +-0.0" in ascii_only and ascii_only.isascii()


def test_what_is_under_way_is_marked_and_its_figures_have_dots() -> None:
    plan = training_plan([training(), training(context=2048)])
    first, second, third, waiting, *_ = training_cases(plan)
    events: list[Event] = [header(), TrainingPlanned(plan=plan)]
    events += [*trained(first, batch=8, tokens_per_s=50_000.0), begun(second), begun(third)]
    events += list(trained(second, batch=16, tokens_per_s=60_000.0))[:-1]
    shown = told(Recording.of(events), running=second.number)
    row = drawn(shown)[2]
    assert row.startswith("▸") and "16  60,000…" in row and row.endswith("…")
    assert (shown.done, shown.count) == (1, 6)
    assert drawn(shown)[3].split()[1:] == ["·"] * 3
    assert drawn(shown, glyphs=ASCII)[2].isascii()
    assert not shown.is_done(waiting.training, waiting.implementation)


def test_each_way_to_fail_has_its_word_where_the_throughput_would_stand() -> None:
    plan = training_plan([training()], ("pytorch", "sdpa", "flash2", "flex", "xformers"))
    plain, *others = training_cases(plan)
    kinds = ("unsupported", "crashed", "timeout", "diverged")
    events: list[Event] = [header(), TrainingPlanned(plan=plan), begun(plain), steps(plain, [3.0])]
    events += [training_failed(case, kind, "why") for case, kind in zip(others, kinds, strict=True)]
    words = drawn(told(Recording.of(events)))[2].split()
    assert words[-4:] == ["unsupp.", "crashed", "timeout", "diverged"]


def test_what_all_rows_have_in_common_is_said_once_and_what_differs_in_columns() -> None:
    rows = [training("small", 256, mode="eager"), training("small", 1024, mode="compile")]
    assert caption(rows) == "gpt2-small, float16, adamw-foreach"
    assert caption(rows[:1]) == "gpt2-small, eager, float16, adamw-foreach"
    assert title(rows[0], rows) == "eager, context 256"
    assert title(rows[0], rows[:1]) == "context 256"
    assert describe(rows[1]) == "gpt2-small, context 1024, compile, float16, adamw-foreach, vocab 16384"


def test_a_row_that_was_skipped_is_not_shown_as_if_it_ran() -> None:
    plan = training_plan([training(), training(context=2048)], ("pytorch", "flash2"))
    first, _, third, _ = training_cases(plan)
    events = [header(), TrainingPlanned(plan=plan), begun(first), begun(third, 9.0)]
    skipped, running = drawn(told(Recording.of(events), running=third.number))[2:]
    assert skipped.split() == ["1024", "-", "·"]
    assert running.split() == ["▸", "2048", "…", "·"]
