"""The checks in the order they are shown."""

from __future__ import annotations

from profiler.doctor.check import Check
from profiler.doctor.facts import Facts
from profiler.doctor.gpu_checks import check_driver, check_gpu
from profiler.doctor.machine_checks import (
    check_compiler,
    check_cpu,
    check_disk,
    check_sessions,
    check_terminal,
)
from profiler.doctor.package_checks import check_bitsandbytes, check_cute, check_flash, check_package
from profiler.doctor.torch_checks import (
    check_cuda_versions,
    check_cudnn,
    check_matmul,
    check_python,
    check_torch,
)


def diagnose(facts: Facts) -> list[Check]:
    """Judge the facts; groups are in one piece each."""
    checks = [check_python(facts), check_torch(facts)]
    if facts.probe.get("matmul"):
        checks += [check_matmul(facts)]
    checks += [*check_cuda_versions(facts), *check_cudnn(facts)]
    checks += check_driver(facts)
    for gpu in facts.gpus:
        checks += check_gpu(gpu)
    checks += [check_flash(facts), *check_cute(facts)]
    checks += [
        check for name in ("flash-attn-4", "xformers", "triton") for check in check_package(facts, name)
    ]
    checks += [check_bitsandbytes(facts)]
    checks += [check_cpu(facts), check_compiler(facts), check_sessions(facts), *check_disk(facts)]
    return [*checks, check_terminal(facts)]
