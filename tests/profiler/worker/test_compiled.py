"""Graph breaks of torch.compile during a call, from Dynamo itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from profiler.worker.compiled import forget_compiled, one_line, watch_compilation

Function = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch.compiler.reset()  # what another test compiled would not be compiled again
    yield
    torch.compiler.reset()


def breaks(function: Function, calls: int = 1) -> dict[str, int] | None:
    compiled = torch.compile(function, backend="eager")
    with watch_compilation() as compilation:
        for _ in range(calls):
            compiled(torch.ones(4))
    return compilation.graph_breaks


def whole(x: torch.Tensor) -> torch.Tensor:
    return x * 2 + 1


def broken(x: torch.Tensor) -> torch.Tensor:
    x = x * 2
    torch._dynamo.graph_break()
    return x + 1


def branching(x: torch.Tensor) -> torch.Tensor:
    return x + 1 if x.sum() > 0 else x - 1


def broken_in_a_loop(x: torch.Tensor) -> torch.Tensor:
    for _ in range(3):
        x = x + 1
        torch._dynamo.graph_break()
    return x


def test_nothing_compiled_is_not_the_same_as_nothing_broken() -> None:
    with watch_compilation() as compilation:
        whole(torch.ones(4))
    assert compilation.graph_breaks is None
    assert breaks(whole) == {}


def test_a_break_is_counted_once_with_its_reason_onone_line() -> None:
    found = breaks(broken, calls=3)
    assert found is not None
    ((reason, count),) = found.items()
    assert count == 1
    assert "torch._dynamo.graph_break()" in reason
    assert "\n" not in reason and len(reason) <= 160


def test_a_reason_names_files_and_not_where_they_lie() -> None:
    assert one_line("skipped: in file `/opt/lib/python3/fake_tensor.py`, at /a/b.py:3, 1/2 of it") == (
        "skipped: in file `fake_tensor.py`, at b.py:3, 1/2 of it"
    )


def test_breaks_before_the_watch_are_not_counted() -> None:
    assert breaks(broken)
    assert breaks(whole) == {}


def test_what_is_forgotten_compiles_anew_and_tells_its_breaks_again() -> None:
    compiled = torch.compile(branching, backend="eager")
    found = []
    for _ in range(2):
        forget_compiled()
        with watch_compilation() as compilation:
            compiled(torch.ones(4))
        found.append(compilation.graph_breaks)
    assert found[0]
    assert found[0] == found[1]


def test_a_branch_on_a_tensors_value_is_a_break() -> None:
    found = breaks(branching)
    assert found is not None
    assert sum(found.values()) == 1
    assert "branch" in next(iter(found))


def test_a_function_that_is_given_up_on_is_a_break() -> None:
    found = breaks(broken_in_a_loop)
    assert found is not None
    assert sum(found.values()) == 1
    assert "graph_break" in next(iter(found))


def test_breaks_are_told_even_of_a_call_that_fails() -> None:
    def failing(x: torch.Tensor) -> torch.Tensor:
        broken(x)
        raise ValueError("after the break")

    with pytest.raises(ValueError, match="after the break"), watch_compilation() as compilation:
        torch.compile(failing, backend="eager")(torch.ones(4))
    assert compilation.graph_breaks


def test_dynamo_is_not_imported_for_it() -> None:
    lines = [
        "import sys",
        "from profiler.worker.compiled import watch_compilation",
        "with watch_compilation() as compilation: pass",
        "assert compilation.graph_breaks is None",
        "assert not [name for name in sys.modules if name.startswith('torch')]",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=60)
