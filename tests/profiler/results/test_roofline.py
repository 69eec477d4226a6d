"""Where a call stands under the ceilings of its device."""

from __future__ import annotations

import pytest

from profiler.events import Ceilings, CopyRate, MatmulRate, Memory
from profiler.machine.datasheet import Peaks
from profiler.results.roofline import Roofline, bytes_moved, ideal_traffic, roofline
from profiler.workload import PASSES, Attention, Pass
from tests.examples import attention

# Batch 32, 16 heads, 1024 queries and keys, head dim 64, two bytes an element.
TENSOR = 32 * 16 * 1024 * 64 * 2
SCORES = 32 * 16 * 1024 * 1024 * 2


def memory(working_bytes: int) -> Memory:
    return Memory(working_bytes=working_bytes, absolute_bytes=0)


def ceilings(tflops: float = 500.0, gb_per_s: float = 2000.0) -> Ceilings:
    return Ceilings(
        matmul={"float16": MatmulRate(tflops=tflops, size=8192)},
        copy=CopyRate(gb_per_s=gb_per_s, bytes=2**30),
    )


def place(
    shape: Attention | None = None,
    device_ms: float = 1.0,
    held: Memory | None = None,
    *,
    launch_bound: bool = False,
    measured: Ceilings | None = None,
    peaks: Peaks | None = None,
) -> Roofline:
    shape = shape or attention()
    return roofline(shape, "fwd", device_ms, held, launch_bound=launch_bound, ceilings=measured, peaks=peaks)


def test_forward_reads_three_tensors_and_writes_one() -> None:
    assert ideal_traffic(attention(), "fwd") == 4 * TENSOR


def test_backward_reads_five_and_writes_three_and_both_passes_are_the_sum() -> None:
    assert ideal_traffic(attention(), "bwd") == 8 * TENSOR
    assert ideal_traffic(attention(), "fwd_bwd") == 12 * TENSOR


def test_elements_of_float32_are_twice_as_large() -> None:
    assert ideal_traffic(attention(dtype="float32"), "fwd") == 8 * TENSOR


def test_grouped_heads_share_keys_and_values() -> None:
    grouped = attention(kv_heads=4)
    assert ideal_traffic(grouped, "fwd") == 2 * TENSOR + 2 * TENSOR // 4
    assert ideal_traffic(grouped, "bwd") == 4 * TENSOR + 4 * TENSOR // 4


def test_one_query_reads_all_keys_but_those_before_its_window() -> None:
    one = attention(seq_q=1, seq_k=1024)
    assert ideal_traffic(one, "fwd") == 2 * TENSOR + 2 * TENSOR // 1024
    windowed = attention(seq_q=1, seq_k=1024, causal=True, window=127)
    assert ideal_traffic(windowed, "fwd") == 2 * TENSOR * 128 // 1024 + 2 * TENSOR // 1024


def test_a_window_spares_no_key_where_queries_stand_everywhere() -> None:
    assert ideal_traffic(attention(window=16), "fwd") == ideal_traffic(attention(), "fwd")


def test_a_fused_kernel_moves_its_inputs_and_results_only() -> None:
    assert bytes_moved(attention(), "fwd", memory(TENSOR)) == 4 * TENSOR
    assert bytes_moved(attention(), "bwd", memory(4 * TENSOR)) == 8 * TENSOR
    assert bytes_moved(attention(), "fwd_bwd", memory(4 * TENSOR)) == 12 * TENSOR


def test_a_matrix_of_scores_in_memory_is_written_and_read_once() -> None:
    assert bytes_moved(attention(), "fwd", memory(TENSOR + SCORES)) == 4 * TENSOR + 2 * SCORES


@pytest.mark.parametrize("which", PASSES)
def test_less_memory_than_the_results_take_moves_no_less(which: Pass) -> None:
    """A library may allocate them past torch."""
    assert bytes_moved(attention(), which, memory(0)) == ideal_traffic(attention(), which)


@pytest.mark.parametrize("which", PASSES)
def test_without_memory_only_the_ideal_traffic_is_known(which: Pass) -> None:
    assert bytes_moved(attention(), which, None) == ideal_traffic(attention(), which)


def test_flop_per_byte_is_that_of_a_fused_kernel_by_the_books() -> None:
    """4 S^2 D FLOP over 8 S D bytes, a head."""
    assert place(held=memory(TENSOR)).flop_per_byte == pytest.approx(1024 / 2)
    assert place().flop_per_byte == pytest.approx(1024 / 2)


def test_shares_are_of_the_rates_measured_and_printed() -> None:
    shape = attention()
    time_ms = shape.flop("fwd") / 250e9  # 250 TFLOP/s
    peaks = Peaks({"float16": 1000.0}, gb_per_s=3000.0, source="a sheet")
    found = place(shape, time_ms, measured=ceilings(tflops=500.0, gb_per_s=2000.0), peaks=peaks)
    assert found.percent_of_measured_peak == pytest.approx(50)
    assert found.percent_of_datasheet_peak == pytest.approx(25)
    assert found.percent_of_copy_bandwidth == pytest.approx(100 * 4 * TENSOR / (time_ms / 1000) / 2000e9)
    moved_at_once = 4 * TENSOR / (time_ms / 1000)
    assert found.percent_of_datasheet_bandwidth == pytest.approx(100 * moved_at_once / 3000e9)


def test_what_takes_the_device_longer_at_its_best_is_the_bound() -> None:
    """The ridge is at 500 FLOP a byte, then at 556; a fused forward has 512, one with scores fewer."""
    near_ms = attention().flop("fwd") / 400e9  # 400 TFLOP/s
    assert place(device_ms=near_ms, measured=ceilings(tflops=500.0, gb_per_s=1000.0)).bound == "compute"
    assert place(device_ms=near_ms, measured=ceilings(tflops=500.0, gb_per_s=900.0)).bound == "memory"
    scores, measured = memory(TENSOR + SCORES), ceilings(tflops=500.0, gb_per_s=1000.0)
    assert place(device_ms=near_ms, held=scores, measured=measured).bound == "memory"


def test_a_call_far_from_both_ceilings_is_bound_by_neither() -> None:
    for share, bound in ((0.31, "compute"), (0.29, "neither")):
        time_ms = attention().flop("fwd") / (share * 500e9)
        found = place(device_ms=time_ms, measured=ceilings(tflops=500.0, gb_per_s=2000.0))
        assert found.bound == bound


def test_a_launch_bound_call_is_bound_by_that_with_or_without_ceilings() -> None:
    assert place(launch_bound=True, measured=ceilings()).bound == "launch"
    assert place(launch_bound=True).bound == "launch"


def test_without_ceilings_only_flop_per_byte_is_known() -> None:
    assert place() == Roofline(flop_per_byte=place().flop_per_byte)


def test_a_dtype_that_was_not_measured_or_printed_has_no_share_and_no_bound() -> None:
    peaks = Peaks({"float32": 60.0}, gb_per_s=3000.0, source="a sheet")
    found = place(attention(dtype="bfloat16"), measured=ceilings(), peaks=peaks)
    assert (found.percent_of_measured_peak, found.percent_of_datasheet_peak, found.bound) == (None,) * 3
    assert found.percent_of_copy_bandwidth is not None


def test_ceilings_without_a_copy_rate_leave_the_bound_open() -> None:
    measured = Ceilings(matmul={"float16": MatmulRate(tflops=500.0, size=8192)})
    found = place(measured=measured)
    assert (found.bound, found.percent_of_copy_bandwidth) == (None, None)
    assert found.percent_of_measured_peak is not None
