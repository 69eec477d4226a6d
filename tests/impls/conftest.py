"""A place to put packages that hide those that are really installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.impls.fake_packages import Site

_HIDDEN = (
    "flash_attn",
    "flash_attn_cuda",
    "flash_attn_2_cuda",
    "flash_attn_interface",
    "fa3_fwd_interface",
    "xformers",
)
_MADE_FROM_THEM = ("impls.operators.flash1",)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    def of_theirs() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in _HIDDEN or name in _MADE_FROM_THEM]

    kept = {name: sys.modules.pop(name) for name in of_theirs()}
    monkeypatch.syspath_prepend(tmp_path)
    yield Site(tmp_path)
    for name in of_theirs():
        del sys.modules[name]
    sys.modules.update(kept)
