"""Data-sheet peaks: which names are known, which are not, and figures that agree with the hardware."""

from __future__ import annotations

import pytest

from profiler.machine.datasheet import peaks_of

KNOWN = [
    ("NVIDIA A100-SXM4-40GB", (8, 0)),
    ("NVIDIA A100-SXM4-80GB", (8, 0)),
    ("NVIDIA A100-PCIE-40GB", (8, 0)),
    ("NVIDIA A100 80GB PCIe", (8, 0)),
    ("NVIDIA H100 80GB HBM3", (9, 0)),
    ("NVIDIA H100 PCIe", (9, 0)),
    ("NVIDIA H100 NVL", (9, 0)),
    ("NVIDIA H200", (9, 0)),
    ("NVIDIA H200 NVL", (9, 0)),
    ("NVIDIA B200", (10, 0)),
    ("NVIDIA L4", (8, 9)),
    ("NVIDIA L40S", (8, 9)),
    ("NVIDIA A10", (8, 6)),
    ("NVIDIA A10G", (8, 6)),
    ("Tesla T4", (7, 5)),
    ("Tesla V100-SXM2-16GB", (7, 0)),
    ("Tesla V100-PCIE-32GB", (7, 0)),
    ("Tesla V100S-PCIE-32GB", (7, 0)),
    ("NVIDIA GeForce RTX 3080 Ti", (8, 6)),
    ("NVIDIA GeForce RTX 3090", (8, 6)),
    ("NVIDIA GeForce RTX 4090", (8, 9)),
    ("NVIDIA GeForce RTX 5090", (12, 0)),
]

# SMs, and the clock in MHz that the sheet's CUDA-core rate stands for (the boost clock). Volta, Turing
# and GA100 have 64 CUDA cores an SM, all others 128; each does a multiply and an add a cycle.
CUDA_CORES = {
    "Tesla V100-SXM2-16GB": (80, 64, 1530),
    "Tesla V100-PCIE-16GB": (80, 64, 1380),
    "Tesla V100S-PCIE-32GB": (80, 64, 1597),
    "Tesla T4": (40, 64, 1590),
    "NVIDIA A100-SXM4-80GB": (108, 64, 1410),
    "NVIDIA A10": (72, 128, 1695),
    "NVIDIA A10G": (80, 128, 1710),
    "NVIDIA GeForce RTX 3080 Ti": (80, 128, 1665),
    "NVIDIA GeForce RTX 3090": (82, 128, 1695),
    "NVIDIA GeForce RTX 4090": (128, 128, 2520),
    "NVIDIA L4": (58, 128, 2040),
    "NVIDIA L40S": (142, 128, 2520),
    "NVIDIA H100 80GB HBM3": (132, 128, 1980),
    "NVIDIA H100 PCIe": (114, 128, 1755),
    "NVIDIA H100 NVL": (132, 128, 1785),
    "NVIDIA H200": (132, 128, 1980),
    "NVIDIA H200 NVL": (132, 128, 1785),
    "NVIDIA B200": (148, 128, 1965),
    "NVIDIA GeForce RTX 5090": (170, 128, 2407),
}

# Dense half-precision FLOP that an SM's tensor cores do in a cycle with float32 accumulation, by chip, and
# the MHz of the sheet's rate: below the boost clock on Hopper.
TENSOR_CORES = {
    "Tesla V100-SXM2-16GB": (80, 1024, 1530),
    "Tesla T4": (40, 1024, 1590),
    "NVIDIA A100-SXM4-80GB": (108, 2048, 1410),
    "NVIDIA A10": (72, 1024, 1695),
    "NVIDIA A10G": (80, 512, 1710),
    "NVIDIA GeForce RTX 3080 Ti": (80, 512, 1665),
    "NVIDIA GeForce RTX 3090": (82, 512, 1695),
    "NVIDIA GeForce RTX 4090": (128, 512, 2520),
    "NVIDIA L4": (58, 1024, 2040),
    "NVIDIA L40S": (142, 1024, 2520),
    "NVIDIA H100 80GB HBM3": (132, 4096, 1830),
    "NVIDIA H100 PCIe": (114, 4096, 1620),
    "NVIDIA GeForce RTX 5090": (170, 512, 2407),
}

# Bits of the memory bus and Gbit/s of each.
MEMORY = {
    "Tesla V100-SXM2-16GB": (4096, 2 * 0.877),
    "Tesla V100S-PCIE-32GB": (4096, 2 * 1.107),
    "Tesla T4": (256, 10),
    "NVIDIA A100-SXM4-40GB": (5120, 2 * 1.215),
    "NVIDIA A100-PCIE-40GB": (5120, 2 * 1.215),
    "NVIDIA A100-SXM4-80GB": (5120, 2 * 1.593),
    "NVIDIA A100 80GB PCIe": (5120, 2 * 1.512),
    "NVIDIA A10": (384, 12.5),
    "NVIDIA A10G": (384, 12.5),
    "NVIDIA GeForce RTX 3080 Ti": (384, 19),
    "NVIDIA GeForce RTX 3090": (384, 19.5),
    "NVIDIA GeForce RTX 4090": (384, 21),
    "NVIDIA L4": (192, 12.5),
    "NVIDIA L40S": (384, 18),
    "NVIDIA H100 80GB HBM3": (5120, 2 * 2.619),
    "NVIDIA H100 PCIe": (5120, 2 * 1.593),
    "NVIDIA H100 NVL": (6016, 2 * 2.619),
    "NVIDIA H200": (6016, 2 * 3.201),
    "NVIDIA B200": (7680, 2 * 3.996),
    "NVIDIA GeForce RTX 5090": (512, 28),
}


@pytest.mark.parametrize(("name", "capability"), KNOWN)
def test_the_gpus_people_have_are_known(name: str, capability: tuple[int, int]) -> None:
    peaks = peaks_of(name, capability)
    assert peaks is not None
    assert peaks == peaks_of(name)
    assert peaks.source.startswith("NVIDIA ")


@pytest.mark.parametrize(("name", "capability"), KNOWN)
def test_a_compute_capability_that_is_not_the_names_is_another_gpu(
    name: str, capability: tuple[int, int]
) -> None:
    major, minor = capability
    assert peaks_of(name, (major, minor + 1)) is None
    assert peaks_of(name, (major + 1, minor)) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "CPU",
        "H100",
        "NVIDIA H100",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb",
        "NVIDIA H100 96GB HBM3",
        "NVIDIA GH200 480GB",
        "NVIDIA GB200",
        "NVIDIA B200 MIG 1g.23gb",
        "NVIDIA B300 SXM6 AC",
        "NVIDIA H20",
        "NVIDIA H800",
        "NVIDIA A800-SXM4-80GB",
        "NVIDIA A800 80GB PCIe",
        "NVIDIA A100X",
        "NVIDIA A100-SXM-64GB",
        "NVIDIA A10-24Q",
        "NVIDIA A10M",
        "NVIDIA A16",
        "NVIDIA L40",
        "NVIDIA L40G",
        "NVIDIA L20",
        "GRID T4-16Q",
        "Tesla V100-SXM3-32GB",
        "Tesla V100-DGXS-32GB",
        "Tesla V100-FHHL-16GB",
        "NVIDIA GeForce RTX 3080",
        "NVIDIA GeForce RTX 3080 Ti Laptop GPU",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 5090 D",
        "NVIDIA GeForce RTX 5090 D v2",
        "NVIDIA GeForce RTX 5090 Laptop GPU",
        "AMD Instinct MI300X",
    ],
)
def test_a_relative_has_no_peaks_rather_than_anothers(name: str) -> None:
    assert peaks_of(name) is None


@pytest.mark.parametrize("name", ["A100-SXM4-40GB", "GeForce RTX 3090", "A100-SXM-80GB"])
def test_older_drivers_leave_the_maker_out(name: str) -> None:
    assert peaks_of(name) == peaks_of(f"NVIDIA {name}") is not None


@pytest.mark.parametrize(("name", "capability"), KNOWN)
def test_bfloat16_runs_at_float16s_rate_and_only_from_ampere_on(
    name: str, capability: tuple[int, int]
) -> None:
    peaks = peaks_of(name)
    assert peaks is not None
    assert ("bfloat16" in peaks.tflops) == (capability >= (8, 0))
    assert peaks.tflops.get("bfloat16", peaks.tflops["float16"]) == peaks.tflops["float16"]


@pytest.mark.parametrize("name", CUDA_CORES)
def test_the_float32_rate_is_that_of_the_cuda_cores(name: str) -> None:
    sms, cores, mhz = CUDA_CORES[name]
    peaks = peaks_of(name)
    assert peaks is not None
    assert peaks.tflops["float32"] == pytest.approx(sms * cores * 2 * mhz / 1e6, rel=0.015)


@pytest.mark.parametrize("name", TENSOR_CORES)
def test_the_half_precision_rate_is_the_dense_one_with_float32_accumulation(name: str) -> None:
    sms, flop, mhz = TENSOR_CORES[name]
    peaks = peaks_of(name)
    assert peaks is not None
    assert peaks.tflops["float16"] == pytest.approx(sms * flop * mhz / 1e6, rel=0.015)


@pytest.mark.parametrize("name", MEMORY)
def test_the_bandwidth_is_that_of_the_memory_bus(name: str) -> None:
    bits, gbit_per_s = MEMORY[name]
    peaks = peaks_of(name)
    assert peaks is not None
    assert peaks.gb_per_s == pytest.approx(bits * gbit_per_s / 8, rel=0.005)
