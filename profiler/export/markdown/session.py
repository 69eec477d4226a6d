"""The sections about the session as a whole: what was compared, on which machine, and its warnings."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.events import Continued, Environment
from profiler.export.markdown.text import Column, code, escape, section, table
from profiler.results.rows import Row
from profiler.results.wording import day, device_name, ending
from profiler.session.recording import Recording
from profiler.units import byte_count, count, shape_columns


def title(recording: Recording) -> str:
    """The heading of the report."""
    header, label = recording.header, recording.label
    kinds = [
        kind for kind, has in (("attention", recording.cases), ("GPT-2 training", recording.trainings)) if has
    ]
    subject = " and ".join(kinds) or "attention"
    subject = f"{escape(label)}: {subject}" if label else f"{subject[0].upper()}{subject[1:]}"
    return f"# {subject} on {escape(device_name(header.environment if header else None))}"


def measured_on(recording: Recording) -> str | None:
    """When, and with which software, in a sentence; all the rest of it is the environment's."""
    header = recording.header
    if header is None or header.imported:  # whose own words stand above
        return None
    environment, gpu = header.environment, header.environment.gpu
    torch = environment.packages.get("torch")
    parts = [
        f"torch {torch}" if torch else "",
        f"CUDA {environment.cuda}" if environment.cuda and gpu else "",
        f"driver {gpu.driver}" if gpu and gpu.driver else "",
        f"attnprof {header.attnprof}",
    ]
    return escape(f"Measured on {day(header.started)} with {', '.join(filter(None, parts))}.")


def interruption(recording: Recording) -> str | None:
    """How the session ended, unless it completed."""
    how = ending(recording)
    return f"> **{escape(how)}** The figures are those measured until then." if how else None


def summary(recording: Recording, all_rows: Sequence[Row]) -> str | None:
    """What was compared, over which shapes, against what."""
    if not all_rows:
        return None if recording.trainings else "Nothing was measured."
    shapes = shape_columns(row.workload for row in all_rows)
    names = dict.fromkeys(row.implementation for row in all_rows)
    lines = [f"Implementations: {', '.join(map(code, names))}"]
    lines += [f"Baseline: {code(recording.baseline)}"] if len(names) > 1 and recording.baseline else []
    lines += [f"Shape: {escape(shapes.caption())}"] if shapes.constant else []
    lines += [f"Varied: {', '.join(shapes.varying)}"] if shapes.varying else []
    lines += [f"Rounds: {rounds}"] if (rounds := _rounds(recording)) else []
    if recording.plan and recording.plan.memory_limit_bytes:
        lines.append(f"Memory limit: {byte_count(recording.plan.memory_limit_bytes)}")
    return "\n".join(f"- {line}" for line in lines)


def _rounds(recording: Recording) -> str:
    """When a shape had been measured enough; "" where plans differ, or it was imported."""
    rules = {plan.stopping for plan in recording.plans}
    if len(rules) != 1 or (recording.header and recording.header.imported):
        return ""
    (rule,) = rules
    rest = f", with {rule.cooldown_s:g} s of rest before each" if rule.cooldown_s else ""
    if rule.repeats is not None:
        return f"{rule.repeats:,} a shape{rest}"
    return (
        f"until the 95 % interval of each median is within ±{100 * rule.precision:g} %, "
        f"at most {rule.budget_s:g} s a shape{rest}"
    )


def notes(recording: Recording) -> str | None:
    """What a person wrote about the session, in the order written."""
    if not recording.notes:
        return None
    lines = (f"- {escape(note.text)} ({escape(day(note.written))})" for note in recording.notes)
    return section("Notes", "\n".join(lines))


def environment(recording: Recording) -> str | None:
    """The machine and its software, a fact a line."""
    header = recording.header
    if header is None:
        return None
    environment = header.environment
    facts = {
        **_device_facts(environment),
        "torch": escape(environment.packages.get("torch", "")),
        "CUDA": escape(environment.cuda or ""),
        "cuDNN": escape(environment.cudnn or ""),
        "packages": escape(_packages(environment)),
        "system": escape(", ".join(filter(None, (environment.os, _python(environment))))),
        "command": code(header.command) if header.command else "",
        "started": escape(header.started),
        "continued": escape("; ".join(map(_continuation, recording.continued))),
        "git commit": code(environment.git_commit) if environment.git_commit else "",
        "attnprof": escape(header.attnprof),
    }
    facts = {name: fact for name, fact in facts.items() if fact}
    columns = [Column("", list(facts), right=False), Column("", list(facts.values()), right=False)]
    return section("Environment", table(columns))


def _continuation(run: Continued) -> str:
    """When a later run went on with the session, and on what: it need not be what the first one had."""
    packages, gpu = run.environment.packages, run.environment.gpu
    parts = [
        run.started,
        f"torch {packages['torch']}" if "torch" in packages else "",
        f"driver {gpu.driver}" if gpu and gpu.driver else "",
        f"attnprof {run.attnprof}",
    ]
    return ", ".join(filter(None, parts))


def _python(environment: Environment) -> str:
    return f"Python {environment.python}" if environment.python else ""


def _packages(environment: Environment) -> str:
    return ", ".join(f"{name} {version}" for name, version in environment.packages.items() if name != "torch")


def _device_facts(environment: Environment) -> dict[str, str]:
    gpu = environment.gpu
    memory = byte_count(environment.memory_bytes) if environment.memory_bytes else ""
    cores = count(environment.cpu_count, "core") if environment.cpu_count else ""
    cpu = {"CPU": escape(", ".join(filter(None, (environment.cpu, cores, memory))))}
    if gpu is None:
        return cpu
    parts = [
        gpu.name,
        byte_count(gpu.memory_bytes) if gpu.memory_bytes else "",
        f"{gpu.sm_count} SMs" if gpu.sm_count else "",
        "compute capability {}.{}".format(*gpu.compute_capability) if gpu.compute_capability else "",
    ]
    limits = [
        f"SM clock up to {gpu.max_sm_mhz} MHz" if gpu.max_sm_mhz else "",
        f"memory clock up to {gpu.max_memory_mhz} MHz" if gpu.max_memory_mhz else "",
        f"power limit {gpu.power_limit_w:.0f} W" if gpu.power_limit_w else "",
    ]
    return {
        "GPU": escape(", ".join(filter(None, parts))),
        "limits": escape(", ".join(filter(None, limits))),
        "driver": escape(gpu.driver or ""),
        "event pair": f"{gpu.event_pair_ms * 1000:.2f} us, taken off every time" if gpu.event_pair_ms else "",
        **cpu,
    }


def warnings(recording: Recording) -> str | None:
    """What the session warned of, each thing once."""
    messages = dict.fromkeys(
        (log.level, escape(log.message)) for log in recording.logs if log.level != "info"
    )
    if not messages:
        return None
    return section("Warnings", "\n".join(f"- {level}: {message}" for level, message in messages))
