"""What is behind the table of a session."""

from __future__ import annotations

from profiler.events import Ceilings, CopyRate, Energy, Kernel, Kernels, MatmulRate, Planned
from profiler.session.recording import Recording
from tests.examples import attention, cases, checked, header, hopper, hopper_events, lab6, measured, plan
from tui.tables.details import details


def words(recording: Recording) -> list[list[str]]:
    return [line.split() for line in details(recording)]


def test_kernels_are_told_with_time_share_count_and_short_name() -> None:
    lines = words(hopper())
    at = lines.index(["seq", "4096,", "flash2,", "forward:", "1", "kernel", "in", "500", "us"])
    assert lines[at + 1] == ["480", "us", "96", "%", "flash_fwd_kernel"]
    at = lines.index(["seq", "4096,", "pytorch,", "forward:", "36", "kernels", "in", "80.0", "us"])
    assert lines[at + 2] == ["9.00", "us", "11", "%", "2", "x", "elementwise_kernel_1"]


def test_of_many_kernels_the_longest_are_listed_and_the_rest_summed_up() -> None:
    listed = [line for line in words(hopper()) if line and line[-1].startswith("elementwise")]
    assert len(listed) == 6
    assert any("7.00 us in 2 more" in line for line in details(hopper()))


def test_energy_is_told_by_call_and_token_with_power_and_clock_for_each_pass() -> None:
    little = Energy(case=7, which="fwd", joules=0.0123, power_w=400.4, window_s=1, call_ms=1)
    lines = list(details(Recording.of([*hopper_events(), little])))
    at = lines.index("seq 4096, flash2, forward: 12.3 mJ a call, 0.0004 mJ a token, 400 W")
    assert lines[at + 1] == (
        "seq 4096, flash2, forward+backward: 1.25 J a call, 0.0381 mJ a token, 690 W at 1405 MHz"
    )
    assert (lines[at - 1], lines[at + 2]) == ("", "")


def test_graph_breaks_are_told_with_their_reasons() -> None:
    lines = list(details(hopper()))
    at = lines.index("seq 256, compiled: 2 graph breaks")
    assert lines[at + 1] == "  2 x  call to a builtin that is not traced"


def test_a_check_of_some_queries_says_so_once_a_shape() -> None:
    (line,) = [line for line in details(hopper()) if line.startswith("error")]
    assert line == "error at seq 4096: of 64 queries of each of 2 of 128 heads, without dk and dv"


def test_the_ceilings_are_one_line_with_clocks_and_data_sheet() -> None:
    assert list(details(hopper()))[-1] == (
        "ceilings: matmul bfloat16 750 TFLOP/s at 1542 MHz, copy 3000 GB/s at 1890 MHz; "
        "data sheet bfloat16 989 TFLOP/s, 3352 GB/s"
    )


def test_ceilings_of_an_unknown_device_stand_alone() -> None:
    measured_here = Ceilings(
        matmul={"float32": MatmulRate(tflops=0.123, size=1024)}, copy=CopyRate(gb_per_s=20.0, bytes=1)
    )
    assert list(details(Recording.of([measured_here]))) == [
        "ceilings: matmul float32 0.123 TFLOP/s, copy 20.0 GB/s",
    ]


def test_there_is_nothing_where_nothing_of_it_was_taken() -> None:
    assert list(details(lab6())) == []


def test_names_from_a_session_hold_no_escapes() -> None:
    whole = plan([attention()], ["pytorch"], ["fwd"])
    (case,) = cases(whole)
    kernels = Kernels(
        case=0, which="fwd", kernels=(Kernel(name="\x1b[31mfoo", count=1, time_us=1.0),), span_us=0.0
    )
    recording = Recording.of(
        [header(), Planned(plan=whole), *checked(case), *measured(case, ["fwd"]), kernels]
    )
    assert "foo" in "".join(details(recording))
    assert "\x1b" not in "".join(details(recording))
