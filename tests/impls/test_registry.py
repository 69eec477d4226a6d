"""How implementations are found by the names that people know them by."""

from __future__ import annotations

import subprocess
import sys

import pytest

import impls
from impls.registry import _MODULES


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Pytorch", "pytorch"),  # the labs' names
        ("Flash2", "flash2"),
        ("pytorch", "pytorch"),
        ("PYTORCH", "pytorch"),
        ("torch", "pytorch"),
        ("FA2", "flash2"),
        ("flash-attn", "flash2"),
        ("sdpa_flash", "sdpa-flash"),
        ("SDPA-Math", "sdpa-math"),
        ("cudnn", "sdpa-cudnn"),
        ("mem-efficient", "sdpa-efficient"),
    ],
)
def test_a_name_or_an_alias_in_any_case_finds_an_implementation(name: str, found: str) -> None:
    assert impls.find(name).name == found


def test_every_implementation_is_found_by_all_its_names() -> None:
    for implementation in impls.catalog():
        for name in (implementation.name, *implementation.aliases):
            assert impls.find(name) is implementation


def test_no_name_is_claimed_by_two() -> None:
    claims = [{name.casefold() for name in (item.name, *item.aliases)} for item in impls.catalog()]
    assert sum(map(len, claims)) == len(set().union(*claims))


def test_the_baseline_is_listed_first_and_each_file_once() -> None:
    names = [item.name for item in impls.catalog()]
    assert names[0] == "pytorch"
    assert [name.replace("-", "_") for name in names] == list(_MODULES)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("pytorhc", "did you mean pytorch?"),
        ("flash5", "did you mean flash"),
        ("sdpa-flsh", "did you mean sdpa-flash"),
        (
            "xyzzy",
            "there are pytorch, chunked, sdpa, sdpa-math, sdpa-flash, sdpa-efficient, sdpa-cudnn, flex",
        ),
        ("", "there are pytorch, chunked"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_or_with_all(typed: str, hint: str) -> None:
    with pytest.raises(impls.UnknownImplementation) as unknown:
        impls.find(typed)
    assert str(unknown.value).startswith(f"there is no implementation '{typed}'; {hint}")


def test_an_unknown_name_is_told_of_functions_of_ones_own() -> None:
    with pytest.raises(impls.UnknownImplementation, match=r"a function of your own is FILE\.py:FUNCTION"):
        impls.find("xyzzy")


def test_variants_are_added_to_a_name_one_after_the_other() -> None:
    found = impls.find("Flash2+Deterministic+compile")
    assert found.name == "flash2+deterministic+compile"
    assert found.compiled
    assert found.label == "FlashAttention 2 deterministic compile"


def test_a_variant_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(impls.UnknownImplementation) as unknown:
        impls.find("flash2+nothing")
    assert str(unknown.value) == (
        "there is no flash2+nothing; there are flash2+deterministic, flash2+compile, flash2+fullgraph, "
        "flash2+cudagraphs"
    )


def test_what_is_compiled_is_not_compiled_again() -> None:
    with pytest.raises(impls.UnknownImplementation) as unknown:
        impls.find("pytorch+compile+fullgraph")
    assert str(unknown.value) == (
        "there is no pytorch+compile+fullgraph; pytorch+compile is compiled already"
    )


def test_every_implementation_can_be_described_without_torch() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, impls\n"
            "cpu = impls.DeviceInfo('cpu', 'CPU')\n"
            "print(len([(i.name, i.label, i.summary, i.unavailable(cpu)) for i in impls.catalog()]))\n"
            "print('torch' in sys.modules, 'flash_attn' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(len(_MODULES)), "False", "False"]
