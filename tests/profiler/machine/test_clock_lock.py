"""What --lock-clocks prints: commands that a person can type as they stand, and why this clock."""

from __future__ import annotations

import pytest

from profiler.machine.clock_lock import choose, commands
from profiler.machine.nvml import Nvml, NvmlDevice
from tests.profiler.fake_nvml import H100, NOT_SUPPORTED, FakePynvml


def only_device(library: FakePynvml) -> NvmlDevice:
    (device,) = Nvml.open(library).devices()
    return device


def typed(text: str) -> list[str]:
    """The lines to type."""
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_the_clock_is_the_nearest_below_seven_tenths_of_the_highest() -> None:
    assert choose(range(1980, 344, -15)) == 1380
    assert choose((1000, 700, 690)) == 700
    assert choose((1000, 900)) == 900


def test_the_lock_and_its_undoing_name_the_gpu_by_its_uuid() -> None:
    text = commands(only_device(FakePynvml()))
    assert typed(text) == [
        f"sudo nvidia-smi -i {H100} --lock-gpu-clocks=1380,1380",
        f"sudo nvidia-smi -i {H100} --reset-gpu-clocks",
    ]


def test_the_choice_is_explained_and_better_ones_are_pointed_at() -> None:
    text = " ".join(commands(only_device(FakePynvml())).split())
    assert "1380 MHz is the nearest clock up to 0.7 times this GPU's highest, 1980 MHz" in text
    assert "rule of thumb" in text
    assert "attnprof show" in text


@pytest.mark.parametrize(
    "function", ["nvmlDeviceGetSupportedMemoryClocks", "nvmlDeviceGetSupportedGraphicsClocks"]
)
def test_clocks_that_are_not_told_leave_a_number_to_fill_in(function: str) -> None:
    text = commands(only_device(FakePynvml(refuse={function: NOT_SUPPORTED})))
    assert typed(text)[0] == f"sudo nvidia-smi -i {H100} --lock-gpu-clocks=MHZ,MHZ"
    assert "Put a number in place of both MHZ" in " ".join(text.split())
    assert "1380" not in text


def test_a_gpu_without_a_uuid_is_named_by_its_index() -> None:
    text = commands(only_device(FakePynvml(refuse={"nvmlDeviceGetUUID": NOT_SUPPORTED})))
    assert typed(text)[1] == "sudo nvidia-smi -i 0 --reset-gpu-clocks"


def test_without_persistence_that_comes_first_or_the_lock_is_lost() -> None:
    library = FakePynvml()
    library.persistence = 0
    first, *rest = typed(commands(only_device(library)))
    assert first == f"sudo nvidia-smi -i {H100} --persistence-mode=1"
    assert len(rest) == 2


def test_it_only_prints_and_fits_a_terminal() -> None:
    library = FakePynvml()
    text = commands(only_device(library))
    assert all("Set" not in name and "Reset" not in name for name in library.asked)
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("    "))
    assert "\x1b" not in text
