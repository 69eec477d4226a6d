"""The arrows tui -> profiler -> impls, and who may load torch and Textual: as written and as run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

IMPORT_EACH = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
exec(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""

OPEN_AND_TRACK = """
from profiler.worker.devices import open_device
open_device("cpu").track(lambda: None)
"""


def modules_of(package: str) -> list[str]:
    """Every module of a package by its dotted name, except what only runs (`__main__`)."""
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


@cache
def loaded_by(*names: str, then: str = "") -> frozenset[str]:
    """All that is in sys.modules once these are imported, in a process that does only `then` besides."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, json.dumps(names), then],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(json.loads(done.stdout))


def packages_of(modules: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_folders_are_walked() -> None:
    """Or the tests below would hold for nothing."""
    assert "tui.commands.run" in modules_of("tui")
    assert {"profiler", "profiler.engine.engine", "profiler.worker.shape"} <= set(modules_of("profiler"))
    assert "impls.flash2" in modules_of("impls")


def test_nothing_of_the_terminal_loads_torch() -> None:
    loaded = loaded_by(*modules_of("tui"))
    assert {"tui.cli", "tui.commands.run", "tui.options.planning"} <= loaded
    assert "torch" not in loaded


def test_nothing_of_the_engine_loads_torch_or_textual() -> None:
    engine = [name for name in modules_of("profiler") if not name.startswith("profiler.worker.")]
    assert "profiler.worker" in engine
    loaded = loaded_by(*engine)
    assert "profiler.engine.engine" in loaded
    assert not {"torch", "textual", "rich", "click", "tui"} & packages_of(loaded)


def test_the_worker_loads_torch_and_nothing_of_the_terminal() -> None:
    loaded = loaded_by("profiler.worker.shape", "profiler.worker.devices", then=OPEN_AND_TRACK)
    assert "torch" in loaded
    assert not {"tui", "textual", "rich", "click"} & packages_of(loaded)
    assert not {"torch._dynamo", "torch._inductor"} & loaded  # over a second, and only what compiles needs it


def test_the_implementations_are_listed_without_torch_and_know_nothing_above_them() -> None:
    listed = [name for name in modules_of("impls") if not name.startswith("impls.operators.")]
    loaded = packages_of(loaded_by(*listed))
    assert not {"torch", "flash_attn", "profiler", "tui"} & loaded


@pytest.mark.parametrize(
    "module", ["profiler.plans.plan", "profiler.export", "importlib.metadata", "rich", "msgspec", "psutil"]
)
def test_help_waits_for_nothing_that_only_commands_need(module: str) -> None:
    assert module not in loaded_by("tui.cli")


def test_the_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout
