"""The diagnosis: what each fact is judged to be, and that each problem has a remedy."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import signal
import subprocess
from dataclasses import replace
from importlib.metadata import PathDistribution
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from profiler.doctor import Check, Facts, diagnose, gather, probe, terminal_facts
from profiler.doctor import facts as doctor_facts
from profiler.doctor.facts import DriverFacts, FolderFacts, GpuFacts, TerminalFacts, folder_facts
from profiler.doctor.flash_cute import CuteCopy, owner_of
from profiler.doctor.probe import Probe, Step
from profiler.doctor.torch_checks import cudnn_version
from profiler.events import Gpu, Telemetry
from profiler.machine.nvml import GpuProcess, GpuSettings
from profiler.machine.torch_build import TorchBuild

CUDA_TORCH = TorchBuild("2.11.0+cu130", cuda="13.0")
GOOD_STEPS = {
    "torch": Step(value={"seconds": 2.0}),
    "cudnn": Step(value=91501),
    "matmul": Step(value=["NVIDIA H100 80GB HBM3"]),
    "flash_attn": Step(),
    "flash head dims": Step(value=[64, 128, 256]),
}


def gpu_facts(
    *,
    index: int = 0,
    power_limit_w: float = 700.0,
    settings: dict[str, Any] | None = None,
    reading: dict[str, Any] | None = None,
    processes: tuple[GpuProcess, ...] | None = (),
    visible: bool = True,
) -> GpuFacts:
    usual: dict[str, Any] = {
        "persistence": True,
        "mig": False,
        "default_power_limit_w": 700.0,
        "application_mhz": 1980,
        "default_application_mhz": 1980,
    }
    now: dict[str, Any] = {
        "sm_mhz": 345,
        "power_w": 70.0,
        "temperature_c": 30,
        "utilization_percent": 0.0,
        "memory_used_bytes": 2**29,
    }
    gpu = Gpu(
        name="NVIDIA H100 80GB HBM3",
        compute_capability=(9, 0),
        memory_bytes=80 * 2**30,
        power_limit_w=power_limit_w,
        max_sm_mhz=1980,
    )
    return GpuFacts(
        index=index,
        gpu=gpu,
        settings=GpuSettings(**{**usual, **(settings or {})}),
        reading=Telemetry(**{**now, **(reading or {})}),
        processes=processes,
        visible=visible,
    )


GOOD = Facts(
    python="3.12.3",
    cpu="AMD EPYC",
    cpu_count=16,
    torch=CUDA_TORCH,
    probe=Probe(GOOD_STEPS),
    driver=DriverFacts(version="580.95.05", cuda=(13, 0), hardware=True),
    gpus=(gpu_facts(),),
    visible_devices=None,
    packages={"flash-attn": "2.8.3"},
    cute=None,
    compiler="g++",
    nvcc="nvcc",
    sessions=FolderFacts("sessions", writable=True, free_bytes=2**40),
    terminal=TerminalFacts(size=(200, 50), colors="16 million", encoding="utf-8"),
)
NO_GPU = replace(
    GOOD,
    torch=TorchBuild("2.13.0+cpu"),
    probe=Probe({"torch": Step(value={"seconds": 1.0}), "cudnn": Step(), "matmul": Step(value=["the CPU"])}),
    driver=DriverFacts(missing="there is no NVIDIA driver"),
    gpus=(),
    packages={},
)


def with_step(facts: Facts, name: str, step: Step) -> Facts:
    return replace(facts, probe=Probe({**facts.probe.steps, name: step}))


def troubles(facts: Facts) -> list[Check]:
    return [check for check in diagnose(facts) if check.status != "ok"]


def trouble(facts: Facts) -> Check:
    (check,) = troubles(facts)
    assert check.remedy, "what is wrong has a remedy"
    return check


def finding(facts: Facts, name: str) -> Check:
    return next(check for check in diagnose(facts) if check.name == name)


@pytest.mark.parametrize("facts", [GOOD, NO_GPU])
def test_a_good_machine_has_no_trouble(facts: Facts) -> None:
    assert troubles(facts) == []


def test_groups_are_in_one_piece() -> None:
    groups = [check.group for check in diagnose(replace(GOOD, gpus=(gpu_facts(), gpu_facts(index=1))))]
    changes = sum(before != after for before, after in pairwise(groups))
    assert changes == len(set(groups)) - 1


def test_no_torch() -> None:
    check = trouble(replace(NO_GPU, torch=None, probe=Probe()))
    assert (check.name, check.status, check.finding) == ("torch", "problem", "not installed")
    assert check.remedy == "pip install --force-reinstall torch"


def test_a_torch_that_cannot_be_imported() -> None:
    broken = Probe({"torch": Step(error="ImportError: libcudart.so.13: cannot open shared object file")})
    checks = troubles(replace(GOOD, probe=broken))
    assert [check.name for check in checks] == ["torch"]
    assert "libcudart.so.13" in checks[0].finding


@pytest.mark.parametrize(
    ("driver_cuda", "wheels"), [((13, 1), "cu130"), ((12, 9), "cu128"), ((12, 4), "cu126"), (None, "cu130")]
)
def test_a_cpu_only_torch_beside_a_gpu(driver_cuda: tuple[int, int] | None, wheels: str) -> None:
    driver = replace(GOOD.driver, cuda=driver_cuda)
    check = trouble(replace(GOOD, torch=TorchBuild("2.13.0+cpu"), driver=driver))
    assert check.status == "problem"
    assert "CPU-only" in check.finding
    assert check.remedy is not None
    assert check.remedy.endswith(f"https://download.pytorch.org/whl/{wheels}")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "pip install"),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2 MiB", "nvidia-smi"),
        ("RuntimeError: The NVIDIA driver on your system is too old", "update the driver"),
        ("it crashed with SIGSEGV", "python -c"),
    ],
)
def test_cuda_that_fails_in_torch(error: str, remedy: str) -> None:
    check = trouble(with_step(GOOD, "matmul", Step(error=error)))
    assert (check.name, check.status, check.finding) == ("matmul", "problem", error)
    assert check.remedy is not None
    assert check.remedy.startswith(remedy)


def test_a_driver_older_than_torch_s_cuda() -> None:
    check = trouble(replace(GOOD, driver=replace(GOOD.driver, cuda=(12, 8))))
    assert (check.name, check.status) == ("CUDA", "problem")
    assert check.finding == "torch needs CUDA 13.0, the driver runs up to 12.8"
    assert check.remedy is not None
    assert "whl/cu128" in check.remedy


def test_a_driver_of_the_same_major_version_will_do() -> None:
    facts = replace(
        GOOD, torch=TorchBuild("2.11.0+cu128", cuda="12.8"), driver=replace(GOOD.driver, cuda=(12, 2))
    )
    assert finding(facts, "CUDA").status == "ok"


@pytest.mark.parametrize(("number", "version"), [(91501, "9.15.1"), (90100, "9.1.0"), (8902, "8.9.2")])
def test_cudnn_version(number: int, version: str) -> None:
    assert cudnn_version(number) == version


@pytest.mark.parametrize(
    "step", [Step(error="RuntimeError: cuDNN version incompatibility"), Step(value=None)]
)
def test_cudnn_that_is_not_usable(step: Step) -> None:
    assert trouble(with_step(GOOD, "cudnn", step)).name == "cuDNN"


def test_a_gpu_without_its_driver() -> None:
    driver = DriverFacts(missing="the driver is not loaded", remedy="sudo modprobe nvidia", hardware=True)
    check = trouble(replace(GOOD, driver=driver, gpus=(), packages={}))
    assert (check.name, check.status, check.remedy) == ("driver", "problem", "sudo modprobe nvidia")


def test_a_driver_that_finds_no_gpu() -> None:
    assert trouble(replace(GOOD, gpus=(), packages={})).finding == "580.95.05 finds no GPU"


def test_every_gpu_hidden() -> None:
    facts = replace(GOOD, gpus=(gpu_facts(visible=False),), visible_devices="-1", packages={})
    check = trouble(facts)
    assert check.finding == "CUDA_VISIBLE_DEVICES='-1' hides every GPU"
    assert check.remedy == "unset CUDA_VISIBLE_DEVICES"


def test_a_gpu_that_cuda_does_not_see_is_not_judged() -> None:
    warm = gpu_facts(index=1, visible=False, reading={"throttle": ("power cap",)})
    assert troubles(replace(GOOD, gpus=(gpu_facts(), warm))) == []


@pytest.mark.parametrize(
    ("gpu", "name", "words", "remedy"),
    [
        (
            gpu_facts(processes=(GpuProcess(77, 12 * 2**30), GpuProcess(78, None))),
            "other processes",
            "pid 77, 78, with 12.0 GiB",
            "ps -fp 77,78",
        ),
        (
            gpu_facts(reading={"memory_used_bytes": 9 * 2**30}),
            "other processes",
            "9.0 GiB in use",
            "nvidia-smi",
        ),
        (gpu_facts(reading={"utilization_percent": 80.0}), "other processes", "80 % busy", "nvidia-smi"),
        (gpu_facts(settings={"application_mhz": 1200}), "clocks", "set to 1200", "sudo nvidia-smi -i 0 -rac"),
        (
            gpu_facts(reading={"throttle": ("clocks set by the user",)}),
            "clocks",
            "locked",
            "sudo nvidia-smi -i 0 -rgc",
        ),
        (gpu_facts(power_limit_w=500.0), "power", "below the board's 700 W", "sudo nvidia-smi -i 0 -pl 700"),
        (
            gpu_facts(reading={"throttle": ("power cap", "sync boost")}),
            "throttling",
            "power cap, sync boost at 30 C",
            "nvidia-smi -i 0 -q",
        ),
        (gpu_facts(settings={"persistence": False}), "persistence", "off", "sudo nvidia-smi -i 0 -pm 1"),
        (gpu_facts(settings={"mig": True}), "MIG", "a slice is measured", "sudo nvidia-smi -i 0 -mig 0"),
    ],
)
def test_what_makes_a_gpu_s_numbers_poorer_is_a_warning(
    gpu: GpuFacts, name: str, words: str, remedy: str
) -> None:
    check = trouble(replace(GOOD, gpus=(gpu,)))
    assert (check.name, check.status) == (name, "warn")
    assert words in check.finding
    assert check.remedy is not None
    assert check.remedy.startswith(remedy)


def test_a_gpu_that_tells_nothing_is_no_trouble() -> None:
    mute = GpuFacts(0, Gpu(name="NVIDIA GPU"), GpuSettings(None, None, None, None, None), Telemetry(), None)
    assert troubles(replace(GOOD, gpus=(mute,))) == []


def test_flash_attn_missing_on_a_gpu_is_a_warning_with_the_command() -> None:
    check = trouble(replace(GOOD, packages={}, nvcc=None))
    assert (check.name, check.status) == ("flash-attn", "warn")
    assert "nvcc is missing" in check.finding
    assert check.remedy == "pip install 'attnprof[flash]' --no-build-isolation"


def test_flash_attn_built_for_another_torch() -> None:
    error = "ImportError: flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2"
    check = trouble(with_step(GOOD, "flash_attn", Step(error=error)))
    assert (check.name, check.status) == ("flash-attn", "problem")
    assert "built for another torch or CUDA: ImportError" in check.finding
    assert check.remedy is not None
    assert "--no-build-isolation flash-attn" in check.remedy


def test_flash_attn_that_fails_on_this_gpu() -> None:
    error = "RuntimeError: FlashAttention only supports Ampere GPUs or newer."
    check = trouble(with_step(GOOD, "flash head dims", Step(error=error)))
    assert check.finding == f"2.8.3 imports and fails on the GPU: {error}"


def test_flash_attn_1_is_told_from_2() -> None:
    check = trouble(replace(GOOD, packages={"flash-attn": "1.0.9"}))
    assert "FlashAttention 1" in check.finding


def test_flash_attn_tells_its_head_dims() -> None:
    assert finding(GOOD, "flash-attn").finding == "2.8.3, runs head dims 64, 128, 256"


def test_the_old_cute_that_hides_flash_attention_4() -> None:
    packages = {"flash-attn": "2.8.3", "flash-attn-4": "4.0.0b36"}
    check = trouble(replace(GOOD, packages=packages, cute=CuteCopy("flash-attn")))
    assert (check.name, check.status) == ("flash_attn.cute", "warn")
    assert "flash-attn's old copy, which hides FlashAttention-4" in check.finding
    assert troubles(replace(GOOD, packages=packages, cute=CuteCopy("flash-attn-4"))) == []


def test_the_old_cute_alone_is_told_and_is_no_trouble() -> None:
    facts = replace(GOOD, cute=CuteCopy("flash-attn"))
    assert troubles(facts) == []
    assert (
        finding(facts, "flash_attn.cute").finding
        == "flash-attn's old copy; FlashAttention-4 is not installed"
    )


def test_another_package_that_cannot_be_imported_is_a_warning() -> None:
    steps = Probe({**GOOD_STEPS, "xformers.ops": Step(error="ImportError: no")})
    check = trouble(replace(GOOD, packages={**GOOD.packages, "xformers": "0.0.34"}, probe=steps))
    assert (check.name, check.status) == ("xformers", "warn")


WITH_BITSANDBYTES = replace(GOOD, packages={**GOOD.packages, "bitsandbytes": "0.49.0"})


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (GOOD, "not installed; only 8-bit AdamW in `attnprof train` needs it (pip install 'attnprof[bnb]')"),
        (with_step(WITH_BITSANDBYTES, "8-bit AdamW", Step()), "0.49.0, runs 8-bit AdamW in `attnprof train`"),
        (WITH_BITSANDBYTES, "0.49.0, imports; not tried, as CUDA sees no GPU"),
    ],
)
def test_bitsandbytes_says_what_it_is_for(facts: Facts, says: str) -> None:
    check = finding(facts, "bitsandbytes")
    assert (check.status, check.finding) == ("ok", says)


@pytest.mark.parametrize("step", ["bitsandbytes.optim", "8-bit AdamW"])
def test_a_bitsandbytes_that_does_not_work_is_a_warning(step: str) -> None:
    check = trouble(with_step(WITH_BITSANDBYTES, step, Step(error="RuntimeError: no library for CUDA 13")))
    assert (check.name, check.status) == ("bitsandbytes", "warn")
    assert "no library for CUDA 13" in check.finding and "attnprof[bnb]" in str(check.remedy)


@pytest.mark.parametrize(
    ("change", "name", "status"),
    [
        ({"compiler": None}, "C++ compiler", "warn"),
        ({"sessions": FolderFacts("sessions", writable=False, free_bytes=None)}, "sessions", "problem"),
        ({"sessions": FolderFacts("s", writable=True, free_bytes=2**29)}, "disk", "warn"),
        ({"sessions": FolderFacts("s", writable=True, free_bytes=2**20)}, "disk", "problem"),
        ({"terminal": TerminalFacts((80, 24), "256", "ascii")}, "terminal", "warn"),
        ({"terminal": TerminalFacts((60, 24), "256", "utf-8")}, "terminal", "warn"),
    ],
)
def test_the_machine(change: dict[str, Any], name: str, status: str) -> None:
    check = trouble(replace(GOOD, **change))
    assert (check.name, check.status) == (name, status)


class Terminal(io.StringIO):
    encoding = "UTF-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "colors"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "16 million"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "no"),
        ({}, "no"),
    ],
)
def test_a_terminal_s_colours(environ: dict[str, str], colors: str) -> None:
    facts = terminal_facts(Terminal(), environ)
    assert (facts.colors, facts.encoding) == (colors, "utf-8")
    assert facts.size is not None


def test_a_pipe_has_no_size() -> None:
    assert terminal_facts(io.StringIO(), {}).size is None


def test_a_folder_that_does_not_exist_is_judged_by_the_one_it_would_be_in(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path / "not" / "yet")
    assert facts.writable
    assert facts.free_bytes is not None
    (tmp_path / "file").touch()
    assert not folder_facts(tmp_path / "file").writable
    assert not folder_facts(tmp_path / "file" / "below").writable


def test_a_probe_s_output_is_read_step_by_step() -> None:
    output = (
        '{"begin": "torch"}\n{"end": "torch", "value": {"seconds": 1}, "error": null}\n'
        "a package that chatters\n[1]\n"
        '{"begin": "matmul"}\n{"end": "matmul", "value": null, "error": "Bad\\u001b[31m"}\n'
        '{"begin": "flash_attn"}\n'
    )
    assert probe.parse(output, "it crashed with SIGSEGV") == {
        "torch": Step(value={"seconds": 1}),
        "matmul": Step(error="Bad [31m"),
        "flash_attn": Step(error="it crashed with SIGSEGV"),
    }


def test_a_probe_that_says_nothing_is_torch_s_failure() -> None:
    assert probe.parse("", "no answer in 5 s") == {"torch": Step(error="no answer in 5 s")}


BEGIN = 'import json; print(json.dumps({"begin": "torch"}), flush=True)\n'


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (BEGIN + "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it crashed with SIGSEGV"),
        (BEGIN + "raise SystemExit(3)", "it ended with exit code 3"),
        (BEGIN + "raise OSError('no such device')", "OSError: no such device"),
    ],
)
def test_a_probe_that_dies_says_how(script: str, error: str) -> None:
    assert probe.run("cpu", (), script=script).steps == {"torch": Step(error=error)}


def test_a_probe_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def keep(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", keep)
    steps = probe.run("cpu", (), timeout_s=0.1, script="import signal; signal.pause()").steps
    assert steps == {"torch": Step(error="no answer in 0.1 s")}
    assert started[0].returncode == -signal.SIGKILL


def test_this_machine_is_diagnosed(tmp_path: Path) -> None:
    facts = gather(tmp_path / "sessions", TerminalFacts(None, "no", "utf-8"), os.environ)
    checks = {check.name: check for check in diagnose(facts)}
    assert checks["torch"].status == "ok"
    assert checks["matmul"].status == "ok"
    assert checks["sessions"].status == "ok"


def test_a_flash_attn_on_the_path_without_pip_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flash_attn_2_cuda.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor_facts, "package_versions", lambda names: {})
    assert doctor_facts._installed_packages() == {"flash-attn": "unknown version"}


def install(
    folder: Path, distribution: str, content: str, *, recorded: str | None = None
) -> PathDistribution:
    """A distribution whose record has flash_attn/cute/interface.py with the hash of `recorded`."""
    interface = folder / "flash_attn" / "cute" / "interface.py"
    interface.parent.mkdir(parents=True, exist_ok=True)
    interface.write_text(content)
    digest = hashlib.sha256((recorded or content).encode()).digest()
    code = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    info = folder / f"{distribution}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"flash_attn/cute/interface.py,sha256={code},{len(content)}\n")
    return PathDistribution(info)


def test_nvidia_hardware_is_known_by_its_pci_vendor_and_class(tmp_path: Path) -> None:
    for name, vendor, kind in (("a", "0x8086", "0x030000"), ("b", "0x10de", "0x040300")):  # a sound chip
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    (tmp_path / "c").mkdir()  # one that tells nothing
    assert not doctor_facts._has_nvidia_hardware(tmp_path)
    (tmp_path / "b" / "class").write_text("0x030200\n")
    assert doctor_facts._has_nvidia_hardware(tmp_path)


def test_the_owner_of_cute_is_the_one_whose_content_it_is(tmp_path: Path) -> None:
    four = install(tmp_path, "flash_attn_4-4.0", "new", recorded="new")
    two = install(tmp_path, "flash_attn-2.8", "old", recorded="old")  # installed later, over it
    interface = tmp_path / "flash_attn" / "cute" / "interface.py"
    candidates = {"flash-attn-4": four, "flash-attn": two}
    assert owner_of(interface, candidates) == "flash-attn"
    interface.write_text("new")
    assert owner_of(interface, candidates) == "flash-attn-4"
    interface.write_text("edited")
    assert owner_of(interface, candidates) is None


def test_the_owner_of_cute_is_the_one_in_whose_place_it_is(tmp_path: Path) -> None:
    four = install(tmp_path / "site", "flash_attn_4-4.0", "same")
    two = install(tmp_path / "user", "flash_attn-2.8", "same")
    candidates = {"flash-attn-4": four, "flash-attn": two}
    assert owner_of(tmp_path / "user" / "flash_attn" / "cute" / "interface.py", candidates) == "flash-attn"
