"""Whatever stands in a file: it is imported whole, or refused in one sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiler.export import export
from profiler.importing import AskedShapes, ImportRefused, imported_events
from profiler.session.recording import Recording
from profiler.units import plain_text
from tests.examples import hopper, lab6
from tests.training_examples import study

PLAIN = {
    "impl": "Flash2",
    "batch_size": 2,
    "seq_len": 64,
    "num_heads": 4,
    "emb_dim": 128,
    "causal": True,
    "dtype": "fp16",
    "forward": {"time(s)": 0.001, "FLOPS(TFLOPs/s)": 1.0},
    "peak_memory_usage(MB)": 30.0,
}
FILES = [
    [PLAIN],
    *(json.loads(export(recording, "json"))[-2:] for recording in (hopper(), lab6(), study())),
]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**30, -1, 0, 2**63, "=cmd()", "\x1b[2J", "[red]", "../../etc", "\x00", ""])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, inner in items for place in places(inner, (*path, key))]


def put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The same with something else at that place."""
    changed = copy.deepcopy(content)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("import") / "x.json"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_file_is_imported_or_refused(path: Path, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(FILES))
    where = data.draw(st.sampled_from(places(content)))
    path.write_text(json.dumps(put(content, where, data.draw(ANYTHING))), encoding="utf-8")
    try:
        events = imported_events([path], AskedShapes())
    except ImportRefused as refused:
        said = str(refused)
        assert "'x.json'" in said and said == plain_text(said)
    else:
        for format_ in ("csv", "json"):
            assert export(Recording.of(events), format_)
