"""Tests marked `gpu` are skipped where there is no CUDA GPU."""

from __future__ import annotations

import gc
import os
import signal

import pytest

# The suite runs on all cores at once: torch's own threads would only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Every app that is started makes and drops objects by the ten thousand: collecting them so seldom saves
# a quarter of such a test's time.
gc.set_threshold(50_000, 20, 20)


def pytest_configure() -> None:
    """Have the signals that tests send end what they are sent to.

    A shell starts what it puts in the background with SIGINT ignored, nohup does so with SIGHUP, and
    what is ignored stays so in every process that is started from there, those under test included.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            is_interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe a table is as wide as it is: a width that the suite was started with would cut it."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: many tests wait for the processes that they have started."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not needs_gpu:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needs_gpu:
            item.add_marker(pytest.mark.skip(reason="no CUDA GPU"))
