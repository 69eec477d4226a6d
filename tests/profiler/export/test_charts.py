"""Which charts a recording has, and what is in them: nothing is drawn here."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from profiler.events import Estimate, Event, Finished, Memory, Planned, TrainingPlanned
from profiler.export.charts import pictures
from profiler.export.charts.figures import estimated
from profiler.export.charts.grid import in_grid
from profiler.export.charts.picture import Panel, Picture, Point, Series, Tick
from profiler.export.charts.wording import marks_meaning, not_drawn, short_name
from profiler.results.colours import colour_of
from profiler.session.recording import Recording
from profiler.workload import Attention, Pass
from tests.examples import attention, cases, checked, failed, header, lab6, measured, plan, single
from tests.training_examples import study, trained, training, training_cases, training_plan


def session(
    shapes: list[Attention],
    names: tuple[str, ...] = ("pytorch", "flash2"),
    passes: tuple[Pass, ...] = ("fwd", "bwd"),
) -> Recording:
    """A complete session of shapes; each further implementation is faster than the one before."""
    whole = plan(shapes, names, passes)
    events: list[Event] = [header(), Planned(plan=whole)]
    for case in cases(whole):
        events += [*checked(case), *measured(case, passes, speed=1.0 + names.index(case.implementation))]
    return Recording.of([*events, Finished(ending="completed")])


def swept(count: int = 5) -> list[Attention]:
    return [attention(seq=2**power) for power in range(9, 9 + count)]


def named(recording: Recording) -> dict[str, Picture]:
    return {picture.name: picture for picture in pictures(recording)}


def test_one_shape_has_bars_of_time_and_memory_in_one_picture() -> None:
    (picture,) = pictures(single())
    assert picture.kind == "bars"
    assert [(panel.title, panel.y_label) for panel in picture.panels] == [("time", "ms"), ("memory", "MiB")]
    assert [tick.label for tick in picture.panels[0].ticks] == ["forward", "backward", "forward+backward"]
    assert picture.baseline == ""


def test_a_few_shapes_have_a_panel_each_and_what_they_share_is_said_once() -> None:
    time, memory = pictures(lab6())
    assert [panel.title for panel in time.panels] == ["seq 512", "seq 4096"]
    assert time.fixed == memory.fixed == "batch 32, heads 16, head dim 64, float16, causal"
    assert time.baseline == "pytorch"
    assert "NVIDIA H100 80GB HBM3" in time.title


def test_a_swept_axis_has_lines_over_its_values_labelled_as_sizes() -> None:
    found = named(session(swept(7)))
    assert set(found) == {"attention-tflops-by-seq", "attention-memory-by-seq-bwd"}
    rate = found["attention-tflops-by-seq"]
    assert [panel.title for panel in rate.panels] == ["forward", "backward"]
    labels = [tick.label for tick in rate.panels[0].ticks]
    assert labels == ["512", "1k", "2k", "4k", "8k", "16k", "32k"]
    assert rate.x_label == "seq (tokens)"


def test_three_shapes_on_an_axis_have_bars_and_lines() -> None:
    assert set(named(session(swept(3)))) == {
        "attention-time",
        "attention-memory",
        "attention-tflops-by-seq",
    }


def test_what_else_varies_makes_panels_beside_the_passes() -> None:
    shapes = [
        attention(seq=seq, causal=causal) for causal in (False, True) for seq in (512, 1024, 2048, 4096)
    ]
    rate = named(session(shapes))["attention-tflops-by-seq"]
    assert [panel.title for panel in rate.panels] == [
        "forward, not causal",
        "backward, not causal",
        "forward, causal",
        "backward, causal",
    ]
    assert rate.columns == 2


def test_many_values_of_another_parameter_give_each_pass_a_picture() -> None:
    shapes = [attention(seq=seq, heads=heads) for heads in (2, 4, 8, 16) for seq in (512, 1024, 2048, 4096)]
    found = named(session(shapes))
    assert {"attention-tflops-by-seq-fwd", "attention-tflops-by-seq-bwd"} <= set(found)
    picture = found["attention-tflops-by-seq-fwd"]
    assert [panel.title for panel in picture.panels] == ["heads 2", "heads 4", "heads 8", "heads 16"]
    assert picture.shares_scale


def test_of_two_parameters_one_goes_across_and_the_other_down() -> None:
    shapes = [
        attention(seq=seq, heads=heads, causal=causal)
        for heads in (8, 16, 32)
        for causal in (True, False)
        for seq in (512, 1024, 2048)
    ]
    picture = named(session(shapes, passes=("fwd",)))["attention-tflops-by-seq"]
    assert picture.columns == 3
    assert [panel.title for panel in picture.panels] == [
        f"forward, heads {heads}, {told}" for told in ("causal", "not causal") for heads in (8, 16, 32)
    ]


@pytest.mark.parametrize(
    ("places", "order", "columns"),
    [
        ([], [], 1),
        (["a1"], [0], 1),
        (["a1", "a2", "a3", "a4"], [0, 1, 2, 3], 2),
        (["a1", "a2", "b1", "b2"], [0, 1, 2, 3], 2),
        (["a1", "a2", "b1", "b2", "c1", "c2"], [0, 2, 4, 1, 3, 5], 3),
        (["a1", "a2", "b1"], [0, 1, 2], 3),
        (["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"], [0, 4, 1, 5, 2, 6, 3, 7], 2),
    ],
)
def test_a_whole_grid_has_a_value_a_column(places: list[str], order: list[int], columns: int) -> None:
    assert in_grid([dict(zip("xy", place, strict=True)) for place in places]) == (order, columns)


def test_more_panels_than_can_be_looked_at_are_left_to_the_tables() -> None:
    shapes = [
        attention(seq=seq, heads=8 * head) for head in range(1, 21) for seq in [2**p for p in range(5, 26)]
    ]
    picture = named(session(shapes, passes=("fwd",)))["attention-tflops-by-seq"]
    assert len(picture.panels) == 12
    assert picture.notes == ("168 more shapes in the tables",)


def test_a_parameter_that_goes_along_is_said_under_the_title() -> None:
    shapes = [
        attention(seq=seq, batch=16384 // seq) for seq in (512, 1024, 2048, 4096, 8192, 16384, 32768)[:6]
    ]
    picture = named(session([*shapes, attention(seq=256, batch=64)]))["attention-tflops-by-seq"]
    assert picture.fixed.endswith("batch 64 to batch 1 as seq grows")


def test_decoding_is_told_in_time_for_its_throughput_says_little() -> None:
    shapes = [attention(seq_q=1, seq_k=2**power, decode=True) for power in range(9, 16)]
    picture = named(session(shapes, passes=("fwd",)))["attention-time-by-seq-k"]
    assert (picture.panels[0].y_label, picture.scale, picture.x_label) == ("ms", "log", "seq k (keys)")


def test_a_bar_that_is_missing_has_the_word_for_why_and_no_figure() -> None:
    long = pictures(lab6())[0].panels[1]
    points = {one.name: one.points for one in long.series}
    assert [point.word for point in points["pytorch"]] == ["", "OOM", "OOM"]
    assert points["pytorch"][1].value is None
    assert {point.word for point in points["sdpa"]} == {"partial", "not measured"}


def test_what_is_wrong_is_named_in_its_place_and_has_no_figure() -> None:
    picture = pictures(lab6())[0]
    found = [
        point
        for panel in picture.panels
        for one in panel.series
        if one.name == "sdpa-cudnn"
        for point in one.points
    ]
    assert {point.value for point in found} == {None}
    assert "wrong" in {point.word for point in found}
    assert "wrong: sdpa-cudnn (3 of 6 bars)" in picture.notes
    assert picture.footnote.endswith("crossed: no figure, the reason below")
    assert " No figure: " in picture.alt and "OOM: pytorch (2 of 6 bars)" in picture.alt


def test_what_cannot_run_here_is_named_in_a_note_alone() -> None:
    whole = plan(swept(3), ["pytorch", "flash2"], ["fwd"])
    events: list[Event] = [header(), Planned(plan=whole)]
    for case in cases(whole):
        if case.implementation == "flash2":
            events.append(failed(case, "unsupported", "head dims up to 256"))
        else:
            events += measured(case, ["fwd"])
    (picture, *_) = pictures(Recording.of(events))
    assert {one.name for panel in picture.panels for one in panel.series} == {"pytorch"}
    assert picture.notes == ("unsupported: flash2",)


def test_a_line_that_runs_out_of_memory_says_where() -> None:
    whole = plan(swept(7), ["pytorch", "flash2"], ["fwd"])
    events: list[Event] = [header(), Planned(plan=whole)]
    for case in cases(whole):
        is_large = case.implementation == "pytorch" and case.workload.seq_q > 8192
        events += [failed(case, "oom", "no")] if is_large else measured(case, ["fwd"])
    picture = named(Recording.of(events))["attention-tflops-by-seq"]
    assert picture.notes == ("OOM: pytorch (seq 16k, 32k)",)
    assert [point.value is None for point in picture.panels[0].series[0].points] == [False] * 5 + [True] * 2


def looks(recording: Recording) -> set[tuple[str, str, int]]:
    return {
        (one.name, one.colour, one.place)
        for picture in pictures(recording)
        for panel in picture.panels
        for one in panel.series
    }


def test_an_implementation_has_one_colour_and_one_place_in_the_charts_of_any_session() -> None:
    names = ("pytorch", "sdpa", "flash2", "my.py:f+compile")
    many = looks(session(swept(7), names))
    assert {(name, colour) for name, colour, _ in many} == {(name, colour_of(name)) for name in names}
    assert len({place for _, _, place in many}) == len(many) == len(names)
    assert looks(session(swept(3), ("flash2", "pytorch"))) <= many
    assert {look for look in looks(study()) if look[0] in names} <= many


def test_throughput_has_the_interval_of_its_time_the_other_way_round() -> None:
    point = estimated(Estimate(median=2.0, low=1.6, high=2.5, count=9), lambda ms: 100 / ms)
    assert (point.value, point.low, point.high) == (50.0, 40.0, 62.5)


@pytest.mark.parametrize(
    "estimate",
    [None, Estimate(median=0.0, low=0.0, high=0.0, count=9), Estimate(median=-1.0, low=-2, high=1, count=9)],
)
def test_what_was_too_short_for_the_clock_has_no_point(estimate: Estimate | None) -> None:
    assert estimated(estimate, lambda ms: 1 / ms) == Point()


def test_few_samples_have_a_point_without_an_interval_that_is_marked_so() -> None:
    few = Estimate(median=2.0, low=1.0, high=3.0, count=5)
    assert estimated(few, lambda ms: ms) == Point(2.0, of_few=True)
    assert not estimated(msgspec.structs.replace(few, count=6), lambda ms: ms).of_few


def test_the_note_tells_of_whiskers_and_of_hollow_marks_where_there_are_any() -> None:
    def meaning(*points: Point) -> str:
        panel = Panel("", (Tick("1k", 1024.0),), (Series("a", "#000000", 0, points),), "ms")
        return marks_meaning("bars", [panel])

    known, few = Point(1.0, 0.9, 1.1), Point(1.0, of_few=True)
    assert meaning(known) == "whiskers: 95 % interval of the median"
    assert meaning(few) == "hollow: under six rounds, no interval"
    assert meaning(known, few) == f"{meaning(known)}; {meaning(few)}"
    assert meaning(Point(1.0)) == ""


def test_memory_that_spreads_over_decades_is_on_a_logarithmic_scale() -> None:
    whole = plan(swept(7), ["pytorch", "flash2"], ["fwd"])
    events: list[Event] = [header(), Planned(plan=whole)]
    for case in cases(whole):
        own = case.workload.seq_q if case.implementation == "pytorch" else 16
        events += measured(case, ["fwd"], memory=Memory(working_bytes=own * 2**20, absolute_bytes=2**40))
    assert named(Recording.of(events))["attention-memory-by-seq"].scale == "log"
    assert named(session(swept(7)))["attention-memory-by-seq-bwd"].scale == "linear"


def test_a_session_without_results_has_no_charts() -> None:
    assert pictures(Recording.of([header()])) == ()
    whole = plan([attention()], ["pytorch"])
    assert pictures(Recording.of([header(), Planned(plan=whole), failed(cases(whole)[0], "oom", "no")])) == ()


def test_an_alternative_text_tells_who_is_best_at_the_end_of_the_axis() -> None:
    alt = named(session(swept(7), passes=("fwd",)))["attention-tflops-by-seq"].alt
    assert alt.startswith(
        "Lines. Throughput over seq: attention on NVIDIA H100 80GB HBM3, of pytorch and flash2."
    )
    assert "seq 32k (TFLOP/s, the best first): flash2 " in alt


def test_notes_name_panels_only_where_some_have_what_others_lack() -> None:
    ticks = (Tick("1k", 1024.0), Tick("2k", 2048.0))

    def panel(title: str, *words: str) -> Panel:
        points = tuple(Point(word=word) if word else Point(1.0) for word in words)
        return Panel(title, ticks, (Series("a", "#000000", 0, points),), "ms")

    assert not_drawn([panel("x", "OOM", "OOM"), panel("y", "OOM", "OOM")], "seq") == ("OOM: a",)
    assert not_drawn([panel("x", "", "OOM"), panel("y", "", "OOM")], "seq") == ("OOM: a (seq 2k)",)
    assert not_drawn([panel("x", "OOM", "OOM"), panel("y", "", "")], "seq") == ("OOM: a (in 1 of 2 panels)",)
    assert not_drawn([panel("x", "", "OOM"), panel("y", "", "")], "seq") == (
        "OOM: a (seq 2k in 1 of 2 panels)",
    )


def test_a_long_name_keeps_both_ends() -> None:
    name = short_name("/a/very/long/path/to/some/kernel.py:attention+compile\x1b[31m")
    assert len(name) == 34
    assert name.startswith("/a/very/") and name.endswith("attention+compile") and "…" in name


def test_a_study_has_throughput_beside_the_batch_that_fits() -> None:
    found = named(study())
    throughput = found["training-throughput"]
    assert throughput.kind == "lines"
    assert [panel.y_label for panel in throughput.panels] == ["tokens/s", "sequences"]
    assert throughput.notes == ("crossed: no figure, the reason below", "OOM: pytorch (context 4k)")
    flash2 = throughput.panels[0].series[-1].points[-1]
    assert flash2.value == pytest.approx(53_791, rel=0.01)


def test_throughput_of_all_steps_has_no_whisker_of_the_median_step() -> None:
    throughput = named(study())["training-throughput"]
    assert all(
        point.low is None and not point.of_few for panel in throughput.panels for point in panel.points()
    )
    assert throughput.footnote.startswith(
        "Tokens/s are of all measured steps, speedups of each round's median"
    )


def test_batches_are_whole_numbers() -> None:
    throughput, batch = named(study())["training-throughput"].panels
    assert (throughput.counts, batch.counts) == (False, True)


def test_a_step_is_told_by_the_token_for_batches_differ() -> None:
    panels = named(study())["training-step"].panels
    assert [panel.title for panel in panels] == ["context 256", "context 1024", "context 4096"]
    assert [tick.label for tick in panels[2].ticks] == ["pytorch", "sdpa-flash", "flash2"]
    assert {one.points[0].word for one in panels[2].series} == {"OOM"}
    parts = {one.name: one.points[0].value for one in panels[0].series}
    tokens_ms = 1000 / 63_820 * 1000
    assert parts == {
        "forward": pytest.approx(0.3 * tokens_ms, rel=0.01),
        "backward": pytest.approx(0.6 * tokens_ms, rel=0.01),
        "optimizer": pytest.approx(0.1 * tokens_ms, rel=0.01),
    }


def test_trainings_of_one_context_and_batch_are_bars_of_throughput_alone() -> None:
    whole = training_plan([training()], batch=8)
    events: list[Event] = [header(), TrainingPlanned(plan=whole)]
    for case in training_cases(whole):
        events += trained(case, batch=8, tokens_per_s=50_000)
    picture = named(Recording.of([*events, Finished(ending="completed")]))["training-throughput"]
    assert (picture.kind, [panel.y_label for panel in picture.panels]) == ("bars", ["tokens/s"])
    assert picture.fixed.endswith("context 1024")
    assert picture.title == "Training throughput on NVIDIA H100 80GB HBM3"
    assert "by context" in named(study())["training-throughput"].title


def test_several_models_have_a_panel_each_and_batches_a_picture() -> None:
    whole = training_plan(
        [training(model, context) for model in ("small", "medium") for context in (256, 512)]
    )
    events: list[Event] = [header(), TrainingPlanned(plan=whole)]
    for case in training_cases(whole):
        batch = 4 if case.implementation == "pytorch" else 8
        events += trained(case, batch=batch, tokens_per_s=50_000)
    found = named(Recording.of(events))
    assert [panel.title for panel in found["training-batch"].panels] == ["gpt2-small", "gpt2-medium"]
    assert found["training-batch"].baseline == "pytorch"


def test_deciding_what_to_draw_does_not_load_matplotlib() -> None:
    script = (
        "import sys\n"
        "from tests.examples import lab6\n"
        "from profiler.export import export, report_for\n"
        "from pathlib import Path\n"
        "assert report_for(lab6(), 'md', Path('x.md')).pictures\n"
        "export(lab6(), 'md')\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
