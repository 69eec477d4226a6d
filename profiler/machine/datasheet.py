"""Data-sheet peaks of GPUs: what NVIDIA prints of their matmul rates and memory bandwidth.

Matmul rates are dense (the sheets often print the double that structured sparsity gives) and
with float32 accumulation, as attention needs it: GeForce cards run half precision on their
tensor cores at half rate then. float32 is the CUDA cores' rate, since TF32 is kept off.
A GPU is known by its exact name only: a relative of a similar name (a Laptop GPU, "RTX 4090 D",
a MIG slice, H20, H800) has other peaks, and no figure is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Peaks:
    """Peaks of one GPU: TFLOP/s by dtype and decimal GB/s, and the document that prints them.

    A dtype that the hardware has no matmul rate for (bfloat16 before Ampere) is missing.
    """

    tflops: Mapping[str, float]
    gb_per_s: float
    source: str


def peaks_of(name: str, compute_capability: tuple[int, int] | None = None) -> Peaks | None:
    """The peaks of the GPU that NVML and torch call `name` ("NVIDIA H100 80GB HBM3").

    None for a GPU that is not surely known, or whose compute capability is not that of the name.
    """
    # Older drivers leave the maker's name out.
    card = _CARDS.get(" ".join(name.split()).removeprefix("NVIDIA "))
    if card is None or compute_capability not in (None, card.compute_capability):
        return None
    return card.peaks


@dataclass(frozen=True)
class _Card:
    compute_capability: tuple[int, int]
    peaks: Peaks


def _card(
    compute_capability: tuple[int, int], *, half: float, single: float, gb_per_s: float, source: str
) -> _Card:
    """A card with one rate for its 16-bit types: they run on the same tensor cores."""
    tflops = {"float16": half, "float32": single}
    if compute_capability >= (8, 0):
        tflops["bfloat16"] = half
    return _Card(compute_capability, Peaks(tflops, gb_per_s, f"NVIDIA {source}"))


def _v100(half: float, single: float, gb_per_s: float, source: str) -> _Card:
    return _card((7, 0), half=half, single=single, gb_per_s=gb_per_s, source=source)


def _a100(gb_per_s: float) -> _Card:
    source = "A100 Tensor Core GPU data sheet"
    return _card((8, 0), half=312, single=19.5, gb_per_s=gb_per_s, source=source)


_V100 = "V100 Tensor Core GPU data sheet"
_V100_SXM2 = _v100(125, 15.7, 900, _V100)
_V100_PCIE = _v100(112, 14, 900, _V100)
_A100_SXM_80GB = _a100(2039)
_HOPPER = "H100 Tensor Core GPU Architecture whitepaper"

_CARDS = {
    "Tesla V100-SXM2-16GB": _V100_SXM2,
    "Tesla V100-SXM2-32GB": _V100_SXM2,
    "Tesla V100-PCIE-16GB": _V100_PCIE,
    "Tesla V100-PCIE-32GB": _V100_PCIE,
    "Tesla V100S-PCIE-32GB": _v100(130, 16.4, 1134, _V100),
    "Tesla T4": _card((7, 5), half=65, single=8.1, gb_per_s=320, source="T4 Tensor Core GPU data sheet"),
    "A100-SXM4-40GB": _a100(1555),
    "A100-PCIE-40GB": _a100(1555),
    "A100-SXM4-80GB": _A100_SXM_80GB,
    "A100-SXM-80GB": _A100_SXM_80GB,  # the same module under its first drivers
    "A100 80GB PCIe": _a100(1935),
    "A10": _card((8, 6), half=125, single=31.2, gb_per_s=600, source="A10 Tensor Core GPU data sheet"),
    "A10G": _card((8, 6), half=70, single=35, gb_per_s=600, source="A10G Tensor Core GPU data sheet"),
    # Not in the GA102 whitepaper's tables: its cores and clock are the card's own page's, the
    # FLOP of an SM in a cycle the whitepaper's.
    "GeForce RTX 3080 Ti": _card(
        (8, 6),
        half=68.2,
        single=34.1,
        gb_per_s=912,
        source="GeForce RTX 3080 Ti specifications, and Ampere GA102 whitepaper",
    ),
    "GeForce RTX 3090": _card(
        (8, 6), half=71, single=35.6, gb_per_s=936, source="Ampere GA102 GPU Architecture whitepaper"
    ),
    "GeForce RTX 4090": _card(
        (8, 9), half=165.2, single=82.6, gb_per_s=1008, source="Ada GPU Architecture whitepaper"
    ),
    "L4": _card((8, 9), half=121, single=30.3, gb_per_s=300, source="L4 Tensor Core GPU data sheet"),
    "L40S": _card((8, 9), half=362.05, single=91.6, gb_per_s=864, source="L40S data sheet"),
    "H100 80GB HBM3": _card((9, 0), half=989.4, single=66.9, gb_per_s=3352, source=_HOPPER),
    "H100 PCIe": _card((9, 0), half=756, single=51.2, gb_per_s=2039, source=_HOPPER),
    # The sheet rounds its bandwidth to 3.9 TB/s; early sheets print a bridged pair's figures.
    "H100 NVL": _card(
        (9, 0), half=835.5, single=60, gb_per_s=3938, source="H100 data sheet, and H100 NVL product brief"
    ),
    "H200": _card((9, 0), half=989.5, single=67, gb_per_s=4800, source="H200 Tensor Core GPU data sheet"),
    "H200 NVL": _card((9, 0), half=835.5, single=60, gb_per_s=4800, source="H200 Tensor Core GPU data sheet"),
    # With 180 GB, as in HGX boards; 8 TB/s was announced of the full 192 GB.
    "B200": _card((10, 0), half=2250, single=75, gb_per_s=7700, source="Blackwell data sheet, HGX B200"),
    "GeForce RTX 5090": _card(
        (12, 0), half=209.5, single=104.8, gb_per_s=1792, source="RTX Blackwell GPU Architecture whitepaper"
    ),
}
