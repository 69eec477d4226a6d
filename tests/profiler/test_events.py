"""What events say of themselves."""

from __future__ import annotations

from profiler.events import Kernel, Kernels


def kernels(*times_us: float) -> Kernels:
    made = tuple(Kernel(name=f"k{number}", count=1, time_us=us) for number, us in enumerate(times_us))
    return Kernels(case=0, which="fwd", kernels=made, span_us=sum(times_us))


def test_kernels_are_listed_until_a_hundredth_of_their_time_is_left() -> None:
    listed = kernels(900.0, 91.0, 5.0, 4.0).longest()
    assert [kernel.name for kernel in listed] == ["k0", "k1"]


def test_kernels_that_all_count_are_all_listed() -> None:
    assert len(kernels(50.0, 30.0, 20.0).longest()) == 3
    assert kernels().longest() == ()
