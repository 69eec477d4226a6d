"""A view tells whether there is anything that could be measured."""

from __future__ import annotations

import pytest

from tui.app.view import Mode, View


@pytest.mark.parametrize(
    ("mode", "can"), [("live", True), ("demo", True), ("recording", False), ("watch", False)]
)
def test_only_an_engine_measures(mode: Mode, can: bool) -> None:
    assert View(mode=mode).can_measure is can


def test_before_anything_was_heard_there_is_nothing_to_paint() -> None:
    view = View()
    assert view.hello is None
    assert view.recording.cases == {}
    assert (view.running, view.path) == (None, None)
