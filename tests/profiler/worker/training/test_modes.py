"""torch.compile around the model, with backends that need no C++ compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from impls import Workload
from impls.contract import Attend
from profiler.events import Steps, TrainingChecked, TrainingFailure, TrainingResult
from profiler.training.model import Mode
from profiler.training.plan import TrainingTakes
from profiler.worker.training import modes, row
from tests.profiler.worker.training.tiny import known, of, own, plain, tiny, train

Graph = torch.fx.GraphModule


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.compiler.reset()  # what another test compiled would not be compiled again
    monkeypatch.setattr(row, "wake_compiler", lambda device: None)  # its first call would compile too
    yield
    torch.compiler.reset()


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """Every mode compiles with a backend that runs the graph as it is, and keeps it here."""
    made: list[Graph] = []

    def backend(graph: Graph, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        made.append(graph)
        forward: Callable[..., Any] = graph.forward
        return forward

    for mode, options in list(modes.OPTIONS.items()):
        given = {name: value for name, value in options.items() if name != "mode"}
        monkeypatch.setitem(modes.OPTIONS, mode, {**given, "backend": backend})
    return made


def breaking(workload: Workload, device: str) -> Attend:
    attend = plain(workload, device)

    def broken(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q = q * 1
        torch._dynamo.graph_break()
        return attend(q, k, v)

    return broken


@pytest.mark.parametrize("mode", ["compile", "fullgraph"])
def test_a_model_that_can_be_is_compiled_in_one_graph(mode: Mode, graphs: list[Graph]) -> None:
    messages = train(["pytorch", "sdpa"], training=tiny(mode=mode), takes=TrainingTakes(attention=False))
    checked = of(TrainingChecked, messages)
    assert [check.graph_breaks for check in checked] == [{}, {}]
    assert all(check.compile_ms is not None and check.compile_ms > 0 for check in checked)
    assert all(check.agreement is not None and check.agreement.verdict == "ok" for check in checked)
    assert len(graphs) == 2  # each implementation has its own, and no step compiles again
    assert len(of(TrainingResult, messages)) == 2


def test_the_compiler_is_woken_once_by_a_forward_and_a_backward(graphs: list[Graph]) -> None:
    modes.wake_compiler.cache_clear()
    for _ in range(2):
        modes.wake_compiler("cpu")
    assert len(graphs) == 1


@pytest.mark.parametrize(("mode", "times"), [("eager", 0), ("compile", 1)])
def test_the_compiler_is_awake_before_the_first_case(
    mode: Mode, times: int, graphs: list[Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    before: list[int] = []
    monkeypatch.setattr(row, "wake_compiler", lambda device: before.append(len(graphs)))
    train(["sdpa"], training=tiny(mode=mode))
    assert before == [0] * times


def test_a_compiler_that_does_not_work_is_for_the_cases_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Graph, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        raise RuntimeError("no C++ compiler")

    modes.wake_compiler.cache_clear()
    monkeypatch.setitem(modes.OPTIONS, "compile", {"backend": broken})
    modes.wake_compiler("cpu")


def test_uncompiled_there_is_nothing_to_tell(graphs: list[Graph]) -> None:
    (check,) = of(TrainingChecked, train(["sdpa"]))
    assert (check.graph_breaks, check.compile_ms) == (None, None)
    assert not graphs


def test_graph_breaks_are_counted_by_their_reason_and_cost_no_result(graphs: list[Graph]) -> None:
    find = known(breaking=breaking)
    messages = train(["breaking", "sdpa"], training=tiny(mode="compile"), find=find)
    broken, whole = of(TrainingChecked, messages)
    assert broken.graph_breaks
    assert "graph_break" in next(iter(broken.graph_breaks))
    assert whole.graph_breaks == {}
    assert len(of(TrainingResult, messages)) == 2


def test_with_fullgraph_a_break_is_an_error_that_says_where(graphs: list[Graph]) -> None:
    find = known(breaking=breaking)
    messages = train(["breaking", "sdpa"], training=tiny(mode="fullgraph"), find=find)
    (failure,) = of(TrainingFailure, messages)
    assert (failure.implementation, failure.kind) == ("breaking", "error")
    assert "the graph breaks" in failure.message
    assert "test_modes.py" in failure.message
    assert "in broken" in failure.message
    assert "\n" not in failure.message
    assert [result.implementation for result in of(TrainingResult, messages)] == ["sdpa"]


def test_implementations_that_share_their_code_are_each_compiled(graphs: list[Graph]) -> None:
    """All of SDPA's backends are one function; Dynamo keeps what it compiles by the code."""
    names = ["sdpa", "sdpa-math", "sdpa-flash"]
    messages = train(names, training=tiny(mode="compile"))
    assert len(graphs) == 3
    assert [check.graph_breaks for check in of(TrainingChecked, messages)] == [{}] * 3


def test_each_row_is_compiled_anew(graphs: list[Graph]) -> None:
    for _ in range(2):
        (check,) = of(TrainingChecked, train(["sdpa"], training=tiny(mode="compile")))
        assert check.graph_breaks == {}
    assert len(graphs) == 2


def test_cases_with_cuda_graphs_are_measured_one_after_the_other(
    graphs: list[Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[None] = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(None))
    messages = train(["sdpa", "pytorch"], training=tiny(mode="reduce-overhead"))
    measured = [told.case for told in of(Steps, messages)]
    assert measured == sorted(measured)
    results = [index for index, said in enumerate(messages) if isinstance(said, TrainingResult)]
    checks = [index for index, said in enumerate(messages) if isinstance(said, TrainingChecked)]
    assert checks[0] < results[0] < checks[1] < results[1]
    assert any("not in rounds" in note for note in of(TrainingChecked, messages)[0].notes)
    # Four first steps, one before and two rounds of one, with one or two that lead in.
    assert len(begun) == 2 * (4 + 1 + 2 + 2)


def test_an_implementation_with_a_cuda_graph_of_its_own_is_no_part_of_a_model() -> None:
    find = lambda name: own("sdpa+cudagraphs", plain)  # noqa: E731
    (failure,) = of(TrainingFailure, train(["sdpa+cudagraphs"], find=find))
    assert failure.kind == "unsupported"
    assert "--mode reduce-overhead" in failure.message
