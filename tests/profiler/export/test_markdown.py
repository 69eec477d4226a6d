"""The Markdown report: everything that happened is said, nothing from a session is markup."""

from __future__ import annotations

import re

import msgspec
import pytest

from profiler.events import (
    Accuracy,
    CaseChecked,
    Ceilings,
    Continued,
    Event,
    Finished,
    Kernel,
    Kernels,
    Labelled,
    Log,
    MatmulRate,
    Note,
    Planned,
    Replayed,
    SessionStarted,
)
from profiler.export import export
from profiler.export.charts import pictures
from profiler.export.markdown import render
from profiler.export.markdown.charts import without_charts
from profiler.export.markdown.text import Column, code, escape, table
from profiler.plans.plan import Stopping
from profiler.session.recording import Recording
from tests.examples import (
    CEILINGS,
    attention,
    cases,
    checked,
    failed,
    header,
    hopper,
    lab6,
    lab6_events,
    measured,
    plan,
    single,
    telemetry,
)


@pytest.fixture(scope="module")
def report() -> str:
    return export(lab6(), "md")


@pytest.fixture(scope="module")
def full() -> str:
    return export(hopper(), "md")


def section(report: str, title: str) -> str:
    """What stands under a heading, or folded under a summary."""
    after = re.split(
        rf"(?:^## {re.escape(title)}|<summary>{re.escape(title)}</summary>)$", report, flags=re.MULTILINE
    )
    return re.split(r"^(?:## |</?details>)", after[1], maxsplit=1, flags=re.MULTILINE)[0].strip()


def titles(report: str) -> list[str]:
    """Of all sections; those in brackets are folded."""
    found = re.findall(r"^## (.*)|^<summary>(.*)</summary>$", report, flags=re.MULTILINE)
    return [heading or f"({summary})" for heading, summary in found]


def line_of(table: str, *words: str) -> str:
    return next(line for line in table.splitlines() if all(word in line for word in words))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_title_names_the_label_and_the_device(report: str) -> None:
    assert report.startswith("# lab6: attention on NVIDIA H100 80GB HBM3\n")


def test_a_later_label_takes_the_place_of_the_plans() -> None:
    events = [*lab6_events(), Labelled(label="fan *fixed*")]
    assert export(Recording.of(events), "md").startswith("# fan \\*fixed\\*: attention on NVIDIA")
    assert export(Recording.of([*events, Labelled(label="")]), "md").startswith("# Attention on NVIDIA")


def test_notes_stand_before_the_figures_with_their_days_and_are_no_markup() -> None:
    notes = [
        Note(text="the <b>fan</b> | was `loud`", written="2026-11-23T23:59:59+00:00"),
        Note(text="x", written="?"),
    ]
    told = export(Recording.of([*lab6_events(), *notes]), "md")
    assert section(told, "Notes").splitlines() == [
        "- the &lt;b&gt;fan&lt;/b&gt; \\| was \\`loud\\` (2026-11-23)",
        "- x (?)",
    ]
    assert titles(told)[:2] == ["Notes", "Which to take"]


def test_sections_stand_in_order_with_the_warnings_last(report: str) -> None:
    assert titles(report) == [
        "Which to take",
        "Conditions",
        "Forward",
        "Backward",
        "Forward+backward",
        "(Clocks and bounds)",
        "(Memory)",
        "(First calls and accuracy)",
        "The device while measuring",
        "Environment",
        "How to measure this again",
        "What the words mean",
        "Warnings",
    ]
    assert report.endswith("another process uses this GPU (pid 4242): times may be off\n")


@pytest.mark.parametrize(
    "fact",
    [
        "NVIDIA H100 80GB HBM3, 80.0 GiB, 132 SMs, compute capability 9.0",
        "SM clock up to 1980 MHz, memory clock up to 2619 MHz, power limit 700 W",
        "570.86.15",
        "1.22 us, taken off every time",
        "2.13.0",
        "13.0",
        "9.15.0",
        "flash-attn 2.8.3",
        "`attnprof run --preset lab6`",
        "2026-11-22T04:32:06Z",
        "`2473df7+changes`",
    ],
)
def test_the_environment_holds(report: str, fact: str) -> None:
    assert fact in section(report, "Environment")


def test_the_environment_says_on_what_the_session_was_gone_on_with() -> None:
    first = header()
    environment = msgspec.structs.replace(first.environment, packages={"torch": "9.9.9"})
    later = Continued(
        attnprof="0.2.0", started="2027-01-01T00:00:00+00:00", command="attnprof", environment=environment
    )
    found = section(export(Recording.of([*lab6_events(), later]), "md"), "Environment")
    assert "2027-01-01T00:00:00+00:00, torch 9.9.9, driver 570.86.15, attnprof 0.2.0" in found


def test_what_shapes_share_is_said_once_and_what_varies_is_a_column(report: str) -> None:
    assert "- Shape: batch 32, heads 16, head dim 64, float16, causal\n- Varied: seq\n" in report
    assert cells(section(report, "Forward").splitlines()[0])[:2] == ["seq", "implementation"]


def test_a_measured_row_has_its_figures(report: str) -> None:
    assert cells(line_of(section(report, "Forward"), "512", "flash2")) == [
        "512",
        "flash2",
        "0.5000 ±0.1%",
        "1.000",
        "34.4",
        "3.5",
        "84.0",
        "66.0",
        "2.00x ±0.01",
        "0.98x",
        "not converged; launch-bound; head dim 64 padded to 96",
    ]


def test_the_baseline_and_the_fastest_are_marked(report: str) -> None:
    forward = section(report, "Forward")
    assert "baseline" in line_of(forward, "512", "pytorch")
    assert "**0.3333** ±0.1%" in line_of(forward, "512", "sdpa (cudnn)")
    assert forward.count("**") == 2


def test_a_wrong_result_is_neither_fastest_nor_given_a_speedup(report: str) -> None:
    line = cells(line_of(section(report, "Forward"), "512", "sdpa-cudnn"))
    assert line[2] == "0.2500 ±0.1%"
    assert line[-3:] == ["-", "620x", "wrong: dq off by 0.31, limit 0.0012"]


def test_out_of_memory_says_what_was_asked_for_and_what_fits(report: str) -> None:
    line = cells(line_of(section(report, "Backward"), "4096", "pytorch"))
    assert line[2] == "OOM"
    assert line[-1] == "OOM: 64.0 GiB asked for, batch 8 expected to fit"


def test_not_even_one_fits() -> None:
    whole = plan([attention()], ["pytorch"])
    (case,) = cases(whole)
    oom = failed(case, "oom", "out of memory", requested_bytes=2**40, largest_batch=0)
    recording = Recording.of([header(), Planned(plan=whole), oom])
    assert "1.00 TiB asked for, not even batch 1 expected to fit" in export(recording, "md")


def test_crashed_unsupported_and_partial_rows_say_so(report: str) -> None:
    forward = section(report, "Forward")
    assert "crashed: the worker was killed by signal 9" in line_of(forward, "4096", "flash2")
    assert "unsupported: takes head dims up to 32, not 64" in line_of(forward, "4096", "sdpa-cudnn")
    assert "partial: 4 samples" in line_of(forward, "4096", "sdpa (flash)")
    assert "not measured" in line_of(section(report, "Backward"), "4096", "sdpa (flash)")


def test_only_the_marks_that_were_used_are_explained(report: str) -> None:
    explained = re.findall(r"- \*\*(.*?)\*\*", section(report, "What the words mean"))
    assert {"launch-bound", "not converged", "OOM", "wrong", "crashed", "partial"} <= set(explained)
    assert "timed out" not in explained


def test_clocks_are_those_while_measuring_with_the_reasons_that_held_them(report: str) -> None:
    clocks = section(report, "The device while measuring")
    assert cells(line_of(clocks, "SM clock")) == ["SM clock by NVML (MHz)", "1410", "1695", "1980"]
    assert "Held back by: power cap in 50% of readings." in clocks


def test_the_gpus_own_counters_stand_beside_nvmls_clock(full: str) -> None:
    clocks = section(full, "The device while measuring")
    assert cells(line_of(clocks, "by NVML"))[1:] == ["1410", "1410", "1980"]
    assert cells(line_of(clocks, "counters"))[1:] == ["1390", "1650", "1910"]
    assert "Another process computed on the GPU in 14% of readings." in clocks


def test_a_session_that_takes_all_there_is_has_a_section_for_each(full: str) -> None:
    assert titles(full) == [
        "Which to take",
        "Conditions",
        "Forward",
        "Forward+backward",
        "(Clocks and bounds)",
        "(Memory)",
        "(Energy)",
        "(First calls and accuracy)",
        "(Kernels)",
        "Graph breaks",
        "Ceilings",
        "The device while measuring",
        "Environment",
        "How to measure this again",
        "What the words mean",
    ]


def test_a_pass_shows_its_graph_time_and_its_shares_of_the_peaks(full: str) -> None:
    table = section(full, "Forward+backward")
    assert cells(table.splitlines()[0])[2:7] == [
        "time (ms)",
        "wall (ms)",
        "graph (ms)",
        "TFLOP/s",
        "peak (%)",
    ]
    assert cells(line_of(table, "4096", "flash2"))[2:8] == [
        "**1.800** ±0.1%",
        "1.980",
        "-",
        "534.6",
        "71",
        "54",
    ]
    assert cells(line_of(table, "256", "sdpa-flash"))[4] == "0.8000"


def test_a_tie_is_called_one_and_explained(full: str) -> None:
    assert "1.00x tie" in line_of(section(full, "Forward"), "256", "compiled")
    assert "- **tie**: " in full
    assert "- **tie**: " not in export(lab6(), "md")


def test_what_ties_for_the_fastest_is_bold_too(full: str) -> None:
    forward = section(full, "Forward")
    assert "**0.2500**" in line_of(forward, "256", "sdpa-flash")
    assert "**0.2500**" in line_of(forward, "256", "flash2")


def test_conditions_are_told_once_a_shape_with_their_shares(full: str) -> None:
    heading, _, line = section(full, "Conditions").splitlines()
    assert cells(heading) == [
        "seq",
        "power cap (% of readings)",
        "another process on the GPU (% of readings)",
    ]
    assert cells(line) == ["4096", "83", "17"]
    assert full.count("power cap") == 3  # there, in the device's sum, and where it is explained
    assert "## Conditions" not in export(single(), "md")


def test_remarks_say_graphs_breaks_and_writes_with_what_they_mean(full: str) -> None:
    table = section(full, "Forward+backward")
    assert "launch-bound; no CUDA graph: it waits for the GPU" in line_of(table, "256", "flash2")
    assert "writes its inputs: q; 2 graph breaks" in line_of(table, "256", "compiled")
    explained = section(full, "What the words mean")
    assert "`--lock-clocks` prints the command" in line_of(explained, "**power cap**")
    assert all(f"- **{mark}**: " in explained for mark in ("writes its inputs", "another process on the GPU"))


def test_clocks_and_bounds_are_told_for_each_pass(full: str) -> None:
    table = section(full, "Clocks and bounds")
    assert cells(table.splitlines()[0])[2:] == [
        "pass",
        "SM (MHz)",
        "Mcycles",
        "FLOP/byte",
        "copy bandwidth (%)",
        "data sheet bandwidth (%)",
        "bound",
    ]
    assert cells(line_of(table, "4096", "flash2", " forward ")) == [
        *("4096", "flash2", "forward", "1400", "0.700", "1024", "18", "16", "compute")
    ]
    assert cells(line_of(table, "256", "flash2", " forward "))[-1] == "launch"


def test_nvmls_clock_is_marked_where_the_counters_are_not_to_be_had(report: str) -> None:
    line = line_of(section(report, "Clocks and bounds"), "512", "flash2")
    assert cells(line)[3] == "\\~1410"
    assert "- **\\~**: not recorded by the GPU's own counters: NVML's" in report


def test_without_ceilings_the_bound_says_what_it_cannot_tell(report: str, full: str) -> None:
    assert "- **bound**: launch where launch-bound; the rest needs ceilings" in report
    assert "- **bound**: what the call takes longest for: compute" in full


def test_memory_is_told_in_all_its_parts_each_in_one_place(full: str) -> None:
    line = line_of(section(full, "Memory"), "4096", "flash2", " forward ")
    assert cells(line)[3:] == ["1100", "1400", "2100"]
    assert cells(line_of(section(full, "Forward"), "4096", "flash2"))[7:9] == ["64.0", "65.0"]


def test_energy_is_told_by_call_and_token_for_what_it_was_taken_of(full: str) -> None:
    (line,) = section(full, "Energy").splitlines()[2:]
    assert cells(line) == ["4096", "flash2", "forward+backward", "1.25", "0.0381", "690", "1.810", "1405"]


def test_accuracy_says_how_much_was_compared(full: str) -> None:
    table = section(full, "First calls and accuracy")
    assert cells(table.splitlines()[0])[2:] == [
        *("first forward (ms)", "out", "dq", "error", "verdict", "checked")
    ]
    assert cells(line_of(table, "4096", "pytorch")) == [
        *("4096", "pytorch", "210.0", "0.002", "-", "1.00x", "ok", "64 queries of each of 2 of 128 heads")
    ]
    assert cells(line_of(table, "256", "pytorch"))[-1] == "8 of 512 heads"


def test_a_first_call_that_compiled_is_seen_whether_its_result_was_compared_or_not(full: str) -> None:
    line = line_of(section(full, "First calls and accuracy"), "256", "compiled")
    assert cells(line)[2] == "9000.0"
    whole = plan([attention()], ["compiled"])
    (case,) = cases(whole)
    first = CaseChecked(case=0, first_call_ms={"fwd": 9000.0, "bwd": 4000.0})
    report = export(
        Recording.of([header(), Planned(plan=whole), *checked(case), first, *measured(case)]), "md"
    )
    table = section(report, "First calls").splitlines()
    assert cells(table[0]) == ["implementation", "first forward (ms)", "first backward (ms)"]
    assert cells(table[2]) == ["compiled", "9000.0", "4000.0"]


def test_kernels_have_their_short_names_counts_and_shares(full: str) -> None:
    kernels = section(full, "Kernels")
    flash = kernels.partition("### `flash2`, seq 4096, forward")[2]
    assert cells(line_of(flash, "flash_fwd_kernel"))[1:] == ["1", "480", "96"]
    assert "Flash_fwd_params" not in kernels
    assert "36 kernels in 80.0 us" in kernels


MANY = plan([attention(seq=seq) for seq in range(64, 64 * 31, 64)], ["pytorch", "sdpa", "flash2", "compiled"])


@pytest.fixture(scope="module")
def large() -> str:
    """The report on 120 cases."""
    return export(Recording.of(large_session(0)), "md")


def large_session(kernels: int) -> list[Event]:
    names = tuple(Kernel(name=f"{index:0>90}", count=1, time_us=1.0) for index in range(kernels))
    return [
        header(),
        CEILINGS,
        Planned(plan=MANY),
        *(
            event
            for case in cases(MANY)
            for event in (
                *checked(case),
                *measured(case, wall=2.0, sm_mhz=1500.0),
                Kernels(case=case.number, which="fwd_bwd", kernels=names, span_us=9.0),
            )
        ),
        Finished(ending="completed"),
    ]


def test_a_large_report_still_fits_into_a_pull_request(large: str) -> None:
    assert 40_000 < len(large) < 65_536
    assert len(section(large, "Forward").splitlines()) == 2 + 120


def test_a_large_report_has_the_details_of_one_pass_and_says_so(large: str) -> None:
    assert "\nThe details are those of forward+backward; `attnprof export SESSION -o x.csv` has" in large
    assert len(section(large, "Memory").splitlines()) == 2 + 120
    assert "pass" not in cells(section(large, "Memory").splitlines()[0])


def test_the_kernels_of_a_large_session_are_left_to_json_where_they_do_not_fit() -> None:
    report = export(Recording.of(large_session(8)), "md")
    assert len(report) < 65_536
    assert "All kernels are in `attnprof export SESSION -o x.json`.\n" in report
    assert "(Kernels)" not in titles(report)


def test_a_session_of_hundreds_of_shapes_still_fits_into_a_pull_request() -> None:
    names = ["pytorch", "sdpa", "flash2", "compiled", "sdpa-flash", "flex"]
    whole = plan([attention(seq=seq) for seq in range(64, 64 * 61, 64)], names)
    ran = [event for case in cases(whole) for event in (*checked(case), *measured(case))]
    told = export(Recording.of([header(), Planned(plan=whole), *ran, Finished(ending="completed")]), "md")
    assert len(told) < 65_536
    assert [title for title in titles(told) if "orward" in title] == ["Forward+backward"]
    assert "The table is that of forward+backward alone. Details of clocks" in told


def test_a_table_that_is_not_aligned_says_the_same() -> None:
    columns = [Column("name", ["a", "bcd"], right=False), Column("ms", ["1.0", None])]
    assert table(columns, aligned=False) == "|name|ms|\n|-|-:|\n|a|1.0|\n|bcd|-|"


def test_graph_breaks_have_their_reasons(full: str) -> None:
    assert section(full, "Graph breaks") == (
        "- `compiled`, seq 256: `call to a builtin that is not traced` (2 x)"
    )


def test_ceilings_stand_beside_the_data_sheet(full: str) -> None:
    ceilings = section(full, "Ceilings")
    assert cells(line_of(ceilings, "bfloat16"))[1:] == ["750", "1542", "989", "76"]
    assert cells(line_of(ceilings, "copy of 1.00 GiB"))[1:] == ["3000", "1890", "3352", "89"]
    assert "Data sheet: NVIDIA H100" in ceilings


def test_an_interrupted_session_says_so_at_the_top(report: str) -> None:
    assert report.splitlines()[2].startswith("> **This session was interrupted: Ctrl+C.**")


def test_a_session_that_was_never_closed_says_so() -> None:
    assert "> **This session was not closed" in export(Recording.of(lab6_events()[:-1]), "md")


def test_a_complete_session_has_no_such_line() -> None:
    assert "\n> " not in export(single(), "md")


def test_one_implementation_is_compared_with_nothing() -> None:
    report = export(single(), "md")
    assert "Baseline" not in report
    assert "speedup" not in report


def test_tables_are_aligned_in_the_source(report: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", report, flags=re.MULTILINE):
        assert len({len(line) for line in block.splitlines()}) == 1


def test_only_the_passes_measured_have_tables() -> None:
    assert "## Backward" not in export(single(["fwd"]), "md")


def test_a_session_that_only_began_is_a_report_too() -> None:
    report = export(Recording.of([header()]), "md")
    assert "Nothing was measured." in report
    assert "## Environment" in report


def test_the_software_and_the_day_stand_above_the_figures(report: str) -> None:
    said = "Measured on 2026-11-22 with torch 2.13.0, CUDA 13.0, driver 570.86.15, attnprof 0.1.0."
    assert report.index(said) < report.index("- Implementations:")


@pytest.mark.parametrize(
    ("stopping", "said"),
    [
        (Stopping(), "until the 95 % interval of each median is within ±1 %, at most 10 s a shape"),
        (Stopping(repeats=30, cooldown_s=0.5), "30 a shape, with 0.5 s of rest before each"),
    ],
)
def test_the_summary_says_when_a_shape_had_been_measured_enough(stopping: Stopping, said: str) -> None:
    whole = msgspec.structs.replace(plan([attention()], ["flash2"]), stopping=stopping)
    events = [header(), Planned(plan=whole), *measured(cases(whole)[0])]
    assert f"\n- Rounds: {said}\n" in export(Recording.of(events), "md")


def test_how_to_measure_it_again_is_the_command_with_the_commit_and_the_seed(report: str) -> None:
    told = section(report, "How to measure this again")
    assert told.startswith("```sh\nattnprof run --preset lab6\n```\n")
    assert "It ran with attnprof 0.1.0 and torch 2.13.0." in told
    assert "was at commit `2473df7`, with changes that were not committed. Seed: 0." in told


def test_what_was_measured_in_the_app_is_opened_there() -> None:
    events = [msgspec.structs.replace(header(), command="attnprof"), *lab6_events()[1:]]
    told = section(export(Recording.of(events), "md"), "How to measure this again")
    assert told.startswith("This was measured in the app (`attnprof`): `attnprof open`")


def test_a_hostile_command_cannot_end_its_block() -> None:
    events = [header(command=f"attnprof run ```` --label '{HOSTILE}'"), *lab6_events()[1:]]
    told = section(export(Recording.of(events), "md"), "How to measure this again")
    block = told.split("\n\n")[0].splitlines()
    assert (block[0], block[-1], len(block)) == ("`````sh", "`````", 3)


def test_charts_stand_before_the_tables_with_words_for_who_does_not_see_them() -> None:
    shown = pictures(lab6())
    links = {picture.name: f"a report-charts/{picture.name}.svg" for picture in shown}
    told = render(lab6(), shown, links)
    images = section(told, "Charts").split("\n\n")
    assert titles(told).index("Charts") < titles(told).index("Forward")
    assert len(images) == len(shown) == 2
    assert all(re.fullmatch(r"!\[Bars\. .*\]\(a%20report-charts/[a-z-]+\.svg\)", image) for image in images)
    assert without_charts(told) == export(lab6(), "md")


HOSTILE = "a|b `c` <script>alert(1)</script>\n\n</details> *x* [l](http://e) __init__ \x1b[31m\nnext"


def test_text_from_a_session_is_neither_markup_nor_html_nor_a_table() -> None:
    whole = plan([attention()], ["pytorch", "flash2"], label=HOSTILE)
    base, other = cases(whole)
    started: SessionStarted = msgspec.structs.replace(header(), command=HOSTILE, attnprof=HOSTILE)
    recording = Recording.of(
        [
            started,
            Planned(plan=whole),
            *checked(base, notes=[HOSTILE], backend=HOSTILE),
            *measured(base, wall=2.0),
            CaseChecked(
                case=base.number,
                first_call_ms={},
                accuracy=Accuracy(
                    verdict="ok",
                    errors={HOSTILE: 0.1},
                    plain_errors={},
                    limits={},
                    heads_checked=1,
                    heads_total=2,
                ),
                writes_inputs=(HOSTILE,),
                graph_breaks={HOSTILE: 1},
                notes=(HOSTILE,),
                backend=HOSTILE,
            ),
            Replayed(case=base.number, which="fwd", reason=HOSTILE),
            Kernels(
                case=base.number,
                which="fwd",
                kernels=(Kernel(name=HOSTILE, count=1, time_us=1.0),),
                span_us=1.0,
            ),
            Ceilings(matmul={HOSTILE: MatmulRate(tflops=1.0, size=1)}),
            telemetry(1.5, throttle=(HOSTILE,)),
            failed(other, "error", HOSTILE),
            Log(level="error", message=HOSTILE),
            Finished(ending="failed", reason=HOSTILE),
        ]
    )
    report = export(recording, "md")
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", report.replace("\\`", ""))
    tags = re.findall(r"<.*", outside_code)
    assert all(re.fullmatch(r"</?details>|<summary>[a-zA-Z ]+</summary>", tag) for tag in tags)
    assert report.count("\n<details>\n<summary>") == report.count("\n\n</details>\n\n") == len(tags) // 3
    assert "\x1b" not in report
    assert "\nnext" not in report
    assert "[l](" not in outside_code.replace("\\[l\\](", "")
    for block in re.findall(r"(?:^\|.*\n)+", report, flags=re.MULTILINE):
        assert len({len(cells(line)) for line in block.splitlines()}) == 1


def test_names_in_prose_stay_readable() -> None:
    assert escape("flash_attn 2.8.3 (sdpa-flash)") == "flash_attn 2.8.3 (sdpa-flash)"
    assert escape("__init__") == "\\_\\_init\\_\\_"


def test_a_code_span_survives_backticks_and_pipes() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`a`") == "`` `a` ``"
    assert code("a|b") == "`a\\|b`"
