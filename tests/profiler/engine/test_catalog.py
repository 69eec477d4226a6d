"""What the catalog says of implementations on a device."""

from __future__ import annotations

import pytest

import impls
from impls.contract import Attend, DeviceInfo, Implementation, Requirement, Workload
from profiler.engine import catalog

CPU = DeviceInfo("cpu", "a CPU")
H100 = DeviceInfo("cuda", "NVIDIA H100 80GB HBM3", (9, 0))
T4 = DeviceInfo("cuda", "Tesla T4", (7, 5))
MISSING = Requirement("attnprof_no_such_module", "pip install it")


def prepare(workload: Workload, device: str) -> Attend:
    raise AssertionError("a catalog prepares nothing")


def implementation(requires: Requirement | None) -> Implementation:
    return Implementation(
        name="needy",
        label="Needy",
        summary="needs much",
        prepare=prepare,
        devices=("cuda",),
        min_compute_capability=(8, 0),
        requires=requires,
    )


def test_every_implementation_is_listed_in_order() -> None:
    assert [entry.name for entry in catalog.entries(CPU)] == [found.name for found in impls.catalog()]


def test_the_default_runs_anywhere() -> None:
    for device in (CPU, H100, T4):
        sdpa = next(entry for entry in catalog.entries(device) if entry.name == "sdpa")
        assert (sdpa.unavailable, sdpa.install) == (None, None)


@pytest.mark.parametrize(
    ("device", "requires", "unavailable", "install"),
    [
        (H100, None, None, None),
        (H100, Requirement("json", "pip install json"), None, None),
        (H100, MISSING, "attnprof_no_such_module is not installed", "pip install it"),
        (CPU, MISSING, "needs a CUDA GPU", None),
    ],
)
def test_an_install_command_is_given_only_where_it_would_help(
    monkeypatch: pytest.MonkeyPatch,
    device: DeviceInfo,
    requires: Requirement | None,
    unavailable: str | None,
    install: str | None,
) -> None:
    monkeypatch.setattr(impls, "catalog", lambda: (implementation(requires),))
    (entry,) = catalog.entries(device)
    assert (entry.unavailable, entry.install) == (unavailable, install)


def test_installing_does_not_help_a_gpu_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impls, "catalog", lambda: (implementation(MISSING),))
    (entry,) = catalog.entries(T4)
    assert entry.unavailable
    assert entry.install is None


def test_variants_are_described_by_the_names_that_a_plan_has_for_them() -> None:
    (entry,) = catalog.named(["pytorch+compile"], CPU)
    assert (entry.name, entry.unavailable) == ("pytorch+compile", None)


def test_a_variant_can_run_where_what_it_varies_can() -> None:
    (entry,) = catalog.named(["sdpa-cudnn+compile"], CPU)
    assert entry.unavailable == "needs a CUDA GPU"


def test_a_name_that_finds_nothing_is_left_out() -> None:
    assert catalog.named(["nothing-like-it", "pytorch+nothing", "no_such_file.py:attention"], CPU) == ()
