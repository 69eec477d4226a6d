"""The Markdown report: everything that happened is said, nothing from a session is markup."""

from __future__ import annotations

import re

import msgspec
import pytest

from profiler.events import (
    Accuracy,
    CaseChecked,
    Ceilings,
    Finished,
    Kernel,
    Kernels,
    Log,
    MatmulRate,
    Planned,
    Replayed,
    SessionStarted,
)
from profiler.export import export
from profiler.export.markdown.text import code, escape
from profiler.recording import Recording
from tests.examples import (
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
    return report.partition(f"## {title}\n")[2].partition("\n## ")[0].strip()


def line_of(table: str, *words: str) -> str:
    return next(line for line in table.splitlines() if all(word in line for word in words))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_title_names_the_label_and_the_device(report: str) -> None:
    assert report.startswith("# lab6: attention on NVIDIA H100 80GB HBM3\n")


def test_sections_stand_in_order_with_the_warnings_last(report: str) -> None:
    assert re.findall(r"^## (.*)", report, flags=re.MULTILINE) == [
        "Environment",
        "Forward",
        "Backward",
        "Forward+backward",
        "Clocks and bounds",
        "Memory",
        "Accuracy",
        "The device while measuring",
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
        "not converged; launch-bound; power cap; head dim 64 padded to 96",
    ]


def test_the_baseline_and_the_fastest_are_marked(report: str) -> None:
    forward = section(report, "Forward")
    assert "baseline" in line_of(forward, "512", "pytorch")
    assert "**0.3333** ±0.1%" in line_of(forward, "512", "sdpa (cudnn)")
    assert forward.count("**") == 2


def test_a_wrong_result_is_neither_fastest_nor_given_a_speedup(report: str) -> None:
    line = cells(line_of(section(report, "Forward"), "512", "sdpa-cudnn"))
    assert line[2] == "0.2500 ±0.1%"
    assert line[-3:] == ["-", "620x", "wrong: dq off by 0.31, limit 0.0012; power cap"]


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
    assert re.findall(r"^## (.*)", full, flags=re.MULTILINE) == [
        "Environment",
        "Forward",
        "Forward+backward",
        "Clocks and bounds",
        "Memory",
        "Energy",
        "Accuracy",
        "Kernels",
        "Graph breaks",
        "Ceilings",
        "The device while measuring",
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


def test_remarks_say_conditions_graphs_breaks_and_writes_with_what_they_mean(full: str) -> None:
    table = section(full, "Forward+backward")
    assert "launch-bound; no CUDA graph: it waits for the GPU" in line_of(table, "256", "flash2")
    assert "writes its inputs: q; 2 graph breaks" in line_of(table, "256", "compiled")
    assert "power cap; another process on the GPU" in line_of(table, "4096", "pytorch")
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
        "bound",
    ]
    assert cells(line_of(table, "4096", "flash2", " forward ")) == [
        *("4096", "flash2", "forward", "1400", "0.700", "1024", "18", "compute")
    ]
    assert cells(line_of(table, "256", "flash2", " forward "))[-1] == "launch"


def test_nvmls_clock_is_marked_where_the_counters_are_not_to_be_had(report: str) -> None:
    line = line_of(section(report, "Clocks and bounds"), "512", "flash2")
    assert cells(line)[3] == "\\~1410"
    assert "- **\\~**: the SM clock as NVML tells it" in report


def test_memory_is_told_in_all_its_parts(full: str) -> None:
    line = line_of(section(full, "Memory"), "4096", "flash2", " forward ")
    assert cells(line)[3:] == ["64.0", "65.0", "1100", "1400", "2100"]


def test_energy_is_told_by_call_and_token_for_what_it_was_taken_of(full: str) -> None:
    (line,) = section(full, "Energy").splitlines()[2:]
    assert cells(line) == ["4096", "flash2", "forward+backward", "1.25", "0.0381", "690", "1.810", "1405"]


def test_accuracy_says_how_much_was_compared(full: str) -> None:
    table = section(full, "Accuracy")
    assert cells(line_of(table, "4096", "pytorch")) == [
        *("4096", "pytorch", "0.002", "-", "1.00x", "ok", "64 queries of each of 2 of 128 heads")
    ]
    assert cells(line_of(table, "256", "pytorch"))[-1] == "8 of 512 heads"


def test_kernels_have_their_short_names_counts_and_shares(full: str) -> None:
    kernels = section(full, "Kernels")
    flash = kernels.partition("### `flash2`, seq 4096, forward")[2]
    assert cells(line_of(flash, "flash_fwd_kernel"))[1:] == ["1", "480", "96"]
    assert "Flash_fwd_params" not in kernels
    assert "36 kernels in 80.0 us" in kernels


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
    assert ">" not in export(single(), "md").split("## Environment")[0]


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


HOSTILE = "a|b `c` <script>alert(1)</script> *x* [l](http://e) __init__ \x1b[31m\nnext"


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
    assert "<" not in outside_code
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
