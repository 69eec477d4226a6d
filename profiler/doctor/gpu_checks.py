"""The driver, and each GPU: who else is on it, and what holds its clocks."""

from __future__ import annotations

from profiler.doctor.check import Check, gib
from profiler.doctor.facts import Facts, GpuFacts

_GROUP = "NVIDIA driver"
# Below this a GPU that lists no process is idle: the driver itself and a display take some.
_IDLE_BYTES = 2**30
_BUSY_PERCENT = 5.0


def check_driver(facts: Facts) -> list[Check]:
    """The driver, and whether CUDA_VISIBLE_DEVICES leaves any GPU to CUDA."""
    driver = facts.driver
    if driver.missing and not driver.hardware:
        return [Check(_GROUP, "driver", "ok", "none, and no NVIDIA GPU here: the CPU is measured")]
    if driver.missing:
        return [Check(_GROUP, "driver", "problem", driver.missing, driver.remedy or "nvidia-smi")]
    if not facts.gpus:
        return [Check(_GROUP, "driver", "problem", f"{driver.version} finds no GPU", "nvidia-smi")]
    count = f"{len(facts.gpus)} GPU{'s' if len(facts.gpus) > 1 else ''}"
    checks = [Check(_GROUP, "driver", "ok", f"{driver.version or 'unknown version'}, {count}")]
    if not any(gpu.visible for gpu in facts.gpus):
        finding = f"CUDA_VISIBLE_DEVICES='{facts.visible_devices}' hides every GPU"
        checks.append(Check(_GROUP, "visibility", "warn", finding, "unset CUDA_VISIBLE_DEVICES"))
    return checks


def check_gpu(facts: GpuFacts) -> list[Check]:
    """One GPU; of one that CUDA does not see, only that."""
    group = f"GPU {facts.index}: {facts.gpu.name}"
    if not facts.visible:
        return [Check(group, "visibility", "ok", "left out by CUDA_VISIBLE_DEVICES")]
    return [
        _memory(group, facts),
        _processes(group, facts),
        _clocks(group, facts),
        _power(group, facts),
        _throttling(group, facts),
        *_persistence(group, facts),
        *_mig(group, facts),
    ]


def _memory(group: str, facts: GpuFacts) -> Check:
    used, total = facts.reading.memory_used_bytes, facts.gpu.memory_bytes
    if used is None or total is None:
        return Check(group, "memory", "ok", "NVML does not say")
    capability = facts.gpu.compute_capability
    compute = f"; compute capability {capability[0]}.{capability[1]}" if capability else ""
    return Check(group, "memory", "ok", f"{gib(used)} of {gib(total)} in use{compute}")


def _processes(group: str, facts: GpuFacts) -> Check:
    name = "other processes"
    if facts.processes:
        pids = [str(process.pid) for process in facts.processes]
        held = sum(process.memory_bytes or 0 for process in facts.processes)
        memory = f", with {gib(held)}" if held else ""
        finding = f"pid {', '.join(pids)}{memory}: timings will waver"
        return Check(group, name, "warn", finding, f"ps -fp {','.join(pids)}   (kill ends one)")
    busy, used = facts.reading.utilization_percent or 0, facts.reading.memory_used_bytes or 0
    if busy >= _BUSY_PERCENT or used >= _IDLE_BYTES:
        # In containers and virtual machines NVML lists no one else's processes.
        finding = f"none listed, yet it is {busy:.0f} % busy with {gib(used)} in use"
        return Check(group, name, "warn", finding, "nvidia-smi   (on the host, if this is a container)")
    return Check(
        group, name, "ok", "none" if facts.processes is not None else "NVML may not list them; it is idle"
    )


def _clocks(group: str, facts: GpuFacts) -> Check:
    now, top = facts.reading.sm_mhz, facts.gpu.max_sm_mhz
    finding = f"SM {_or_unknown(now)} MHz now, {_or_unknown(top)} at most"
    settings = facts.settings
    chosen, default = settings.application_mhz, settings.default_application_mhz
    if chosen and default and chosen != default:
        finding += f"; set to {chosen} by the user (default {default})"
        return Check(group, "clocks", "warn", finding, f"sudo nvidia-smi -i {facts.index} -rac")
    if "clocks set by the user" in facts.reading.throttle:
        return Check(
            group,
            "clocks",
            "warn",
            f"{finding}; locked by the user",
            f"sudo nvidia-smi -i {facts.index} -rgc -rac",
        )
    return Check(group, "clocks", "ok", finding)


def _power(group: str, facts: GpuFacts) -> Check:
    now, limit, default = facts.reading.power_w, facts.gpu.power_limit_w, facts.settings.default_power_limit_w
    finding = f"{_or_unknown(now)} W now, limit {_or_unknown(limit)} W"
    if limit is not None and default is not None and limit < default - 1:
        finding += f", below the board's {default:.0f} W: long calls will run slower"
        return Check(group, "power", "warn", finding, f"sudo nvidia-smi -i {facts.index} -pl {default:.0f}")
    return Check(group, "power", "ok", finding)


def _throttling(group: str, facts: GpuFacts) -> Check:
    degrees = facts.reading.temperature_c
    at = f" at {degrees} C" if degrees is not None else ""
    reasons = [reason for reason in facts.reading.throttle if reason != "clocks set by the user"]
    if not reasons:
        return Check(group, "throttling", "ok", f"none now{at}")
    return Check(
        group,
        "throttling",
        "warn",
        f"{', '.join(reasons)}{at}",
        f"nvidia-smi -i {facts.index} -q -d PERFORMANCE,TEMPERATURE,POWER",
    )


def _persistence(group: str, facts: GpuFacts) -> list[Check]:
    match facts.settings.persistence:
        case None:
            return []
        case True:
            return [Check(group, "persistence", "ok", "on")]
        case False:
            finding = "off: the driver starts anew with every program, which takes seconds and resets clocks"
            return [Check(group, "persistence", "warn", finding, f"sudo nvidia-smi -i {facts.index} -pm 1")]


def _mig(group: str, facts: GpuFacts) -> list[Check]:
    if not facts.settings.mig:
        return []
    finding = "on: a slice is measured, and NVML's readings are missing or of the whole GPU"
    return [Check(group, "MIG", "warn", finding, f"sudo nvidia-smi -i {facts.index} -mig 0")]


def _or_unknown(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
