"""Python, torch, and whether the two reach the GPU."""

from __future__ import annotations

from profiler.doctor.check import Check
from profiler.doctor.facts import Facts

_GROUP = "Python and torch"
_DEFAULT_WHEELS = "cu130"


def check_python(facts: Facts) -> Check:
    """Which Python; one too old could not have installed attnprof."""
    return Check(_GROUP, "Python", "ok", facts.python)


def check_torch(facts: Facts) -> Check:
    """Installed, importable, and built for what the machine has."""
    build = facts.torch
    if build is None:
        return Check(_GROUP, "torch", "problem", "not installed", _install(facts))
    step = facts.probe.get("torch")
    if step is None or step.error:
        error = step.error if step else "it was not tried"
        return Check(
            _GROUP, "torch", "problem", f"{build.version} cannot be imported: {error}", _install(facts)
        )
    if build.cuda is None and facts.driver.hardware:
        kind = "a ROCm build" if build.hip else "a CPU-only build"
        finding = f"{build.version} is {kind}, and this machine has an NVIDIA GPU"
        return Check(_GROUP, "torch", "problem", finding, _install(facts))
    built = f"built for CUDA {build.cuda}" if build.cuda else "built for the CPU"
    return Check(_GROUP, "torch", "ok", f"{build.version}, {built}; imports in {step.value['seconds']:.1f} s")


def check_matmul(facts: Facts) -> Check:
    """A product of two small matrices on every GPU that CUDA sees, else on the CPU."""
    step = facts.probe.steps["matmul"]
    if step.error is None:
        return Check(_GROUP, "matmul", "ok", f"right on {', '.join(step.value)}")
    return Check(_GROUP, "matmul", "problem", step.error, _matmul_remedy(step.error, facts))


def check_cuda_versions(facts: Facts) -> list[Check]:
    """torch's CUDA against the driver's. Within a major version an older driver will do."""
    built, driver = facts.torch and facts.torch.cuda, facts.driver.cuda
    if not built or not driver:
        return []
    newest = f"{driver[0]}.{driver[1]}"
    if int(built.partition(".")[0]) > driver[0]:
        finding = f"torch needs CUDA {built}, the driver runs up to {newest}"
        return [Check(_GROUP, "CUDA", "problem", finding, f"update the driver, or: {_install(facts)}")]
    return [Check(_GROUP, "CUDA", "ok", f"torch has {built}, the driver runs up to {newest}")]


def check_cudnn(facts: Facts) -> list[Check]:
    """cuDNN as torch loads it; nothing to say where torch has no CUDA."""
    step = facts.probe.get("cudnn")
    if facts.torch is None or facts.torch.cuda is None or step is None:
        return []
    if step.error or not step.value:
        finding = f"not usable: {step.error}" if step.error else "torch finds none, so sdpa-cudnn cannot run"
        # The usual cause: another cuDNN comes first on the library path.
        return [Check(_GROUP, "cuDNN", "warn", finding, "unset LD_LIBRARY_PATH")]
    return [Check(_GROUP, "cuDNN", "ok", cudnn_version(step.value))]


def cudnn_version(number: int) -> str:
    """cuDNN's number as a version: 91501 is 9.15.1; before 9 it was 8902 for 8.9.2."""
    major = 10_000 if number >= 90_000 else 1_000
    return f"{number // major}.{number % major // 100}.{number % 100}"


def _install(facts: Facts) -> str:
    """The command that puts the right torch here, even over a wrong one of the same version."""
    if not facts.driver.hardware:
        return "pip install --force-reinstall torch"
    wheels = _wheels_for(facts.driver.cuda)
    return f"pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/{wheels}"


def _wheels_for(driver_cuda: tuple[int, int] | None) -> str:
    """The newest of PyTorch's CUDA wheels that the driver runs."""
    for needed, wheels in (((13, 0), "cu130"), ((12, 8), "cu128"), ((12, 0), "cu126")):
        if driver_cuda and driver_cuda >= needed:
            return wheels
    return _DEFAULT_WHEELS


def _matmul_remedy(error: str, facts: Facts) -> str:
    lower = error.lower()
    if "no kernel image" in lower:  # this torch was built without this GPU's architecture
        return _install(facts)
    if "out of memory" in lower:
        return "nvidia-smi   (shows who holds the memory)"
    if "driver" in lower:
        return f"update the driver, or: {_install(facts)}"
    device = "cuda" if facts.gpus else "cpu"
    return f"python -c 'import torch; x = torch.ones(8, 8, device=\"{device}\"); print(x @ x)'"
