"""What tests of the engine share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import faulty


@pytest.fixture
def faulty_implementations(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine knows tests.faulty's implementations too, as the faulty worker does."""
    from impls import registry

    monkeypatch.setattr(registry, "catalog", registry.catalog)
    faulty.install()
    yield
    monkeypatch.undo()
    registry._by_name.cache_clear()
