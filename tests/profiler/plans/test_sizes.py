"""Sizes of memory as they are typed."""

from __future__ import annotations

import pytest

from profiler.plans.plan import PlanError
from profiler.plans.sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("12GiB", 12 * 2**30),
        ("12G", 12 * 2**30),
        ("12Gi", 12 * 2**30),
        ("12gib", 12 * 2**30),
        (" 12 GiB ", 12 * 2**30),
        ("1.5GiB", 3 * 2**29),
        (".5G", 2**29),
        ("512MiB", 2**29),
        ("512m", 2**29),
        ("1TiB", 2**40),
        ("12GB", 12 * 10**9),
        ("512mb", 512 * 10**6),
        ("0.1GB", 10**8),
    ],
)
def test_binary_units_and_with_gb_and_mb_decimal_ones(text: str, size_bytes: int) -> None:
    assert parse_bytes(text, "--memory-limit", least=1) == size_bytes


@pytest.mark.parametrize(
    "text",
    ["", "12", "12884901888", "GiB", "12 GiB of it", "-1G", "1,5GiB", "1..2G", "12KiB", "inf GiB", "\u0661G"],
)
def test_what_is_no_size_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse_bytes(text, "--memory-limit", least=1)
    assert str(refused.value) == (
        "--memory-limit takes a size with its unit, "
        f"such as 12GiB (or 12G), 512MiB (512M) or 12GB, not '{text}'"
    )


def test_the_least_is_possible_and_a_byte_less_is_not() -> None:
    assert parse_bytes("256MiB", "--memory-limit", least=2**28) == 2**28
    with pytest.raises(PlanError) as refused:
        parse_bytes("256MiB", "--memory-limit", least=2**28 + 1)
    assert str(refused.value).endswith(", not 256MiB")


@pytest.mark.parametrize("text", ["1025TiB", f"{'9' * 400}G"])
def test_beyond_any_machine_is_refused(text: str) -> None:
    with pytest.raises(PlanError) as refused:
        parse_bytes(text, "--memory-limit", least=1)
    assert str(refused.value) == f"--memory-limit must be at most 1024 TiB, not {text}"
