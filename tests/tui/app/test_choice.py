"""A choice: what is chosen first, what fits a device, and the plans and the command it stands for."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from impls.contract import DeviceInfo
from profiler.engine.control import Hello
from profiler.events import CatalogEntry, Gpu
from profiler.machine.environment import Device
from profiler.plans.plan import Plan, PlanError
from tui.app.choice import (
    Choice,
    choice_of,
    default_choice,
    device_info,
    fitting,
    full_plan,
    quick_plan,
)
from tui.app.reproduce import command_for
from tui.commands import run
from tui.options.asked import Asked
from tui.options.planning import make_plan

CPU = Device("cpu", DeviceInfo("cpu", "Some CPU"))


def entry(name: str, unavailable: str | None = None) -> CatalogEntry:
    return CatalogEntry(name=name, label=name.title(), summary="", unavailable=unavailable)


def hello(kind: str = "cpu", *entries: CatalogEntry, capability: tuple[int, int] = (9, 0)) -> Hello:
    return Hello(
        kind=kind,
        name="cpu" if kind == "cpu" else "cuda:0",
        device_name="Some device",
        catalog=entries or (entry("pytorch"), entry("sdpa"), entry("flash2", "needs a CUDA GPU")),
        gpu=None if kind == "cpu" else Gpu(name="Some GPU", compute_capability=capability),
    )


def choice(**changes: Any) -> Choice:
    made = Choice(
        batch=2,
        seq=256,
        heads=8,
        head_dim=64,
        dtype="float32",
        implementations=("pytorch", "sdpa"),
        baseline="pytorch",
    )
    return replace(made, **changes)


def planned(command: str) -> Plan:
    """The plan that `attnprof run` makes of a command line."""
    _, _, *words = shlex.split(command)
    options = dict(run.command.make_context("run", words).params)
    known = Asked.__dataclass_fields__
    return make_plan(Asked(**{name: value for name, value in options.items() if name in known}), CPU)


def test_the_first_choice_is_all_that_can_run_at_a_shape_for_the_device() -> None:
    on_cpu, on_gpu = default_choice(hello("cpu")), default_choice(hello("cuda"))
    assert on_cpu.implementations == ("pytorch", "sdpa")
    assert on_cpu.baseline == "pytorch"
    assert (on_cpu.batch, on_cpu.seq, on_cpu.heads, on_cpu.head_dim, on_cpu.dtype) == (
        1,
        256,
        8,
        64,
        "float32",
    )
    assert (on_gpu.batch, on_gpu.seq, on_gpu.heads, on_gpu.head_dim, on_gpu.dtype) == (
        4,
        2048,
        16,
        64,
        "float16",
    )


def test_what_compiles_at_every_turn_is_not_chosen_unasked() -> None:
    flex = msgspec.structs.replace(entry("flex"), compiles=True)
    assert default_choice(hello("cuda", entry("pytorch"), flex)).implementations == ("pytorch",)
    asked_for = choice(implementations=("pytorch", "flex"))
    assert fitting(asked_for, hello("cpu", entry("pytorch"), flex)).implementations == ("pytorch", "flex")


def test_the_baseline_is_the_one_wished_for_or_pytorch_or_the_first() -> None:
    assert default_choice(hello(), "sdpa").baseline == "sdpa"
    assert default_choice(hello(), "flash2").baseline == "pytorch"
    assert default_choice(hello("cpu", entry("b"), entry("a"))).baseline == "b"


def test_where_nothing_can_run_there_is_a_choice_of_nothing() -> None:
    chosen = default_choice(hello("cpu", entry("flash2", "needs a CUDA GPU")))
    assert (chosen.implementations, chosen.baseline) == ((), None)
    assert quick_plan(chosen, "cpu").count == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"heads": 6, "kv_heads": 4}, "multiple of kv heads"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"seq": 2**31}, "seq must be at most"),
        ({"heads": 2**16, "head_dim": 2**16}, "emb dim must be at most"),
        ({"dtype": "float64"}, "no dtype"),
        ({"window": -1}, "window"),
        ({"passes": ()}, "no pass"),
        ({"baseline": "flash2"}, "not among the implementations"),
    ],
)
def test_no_invalid_choice_can_be_made(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        choice(**changes)


def test_checking_and_unchecking_keeps_the_catalogs_order() -> None:
    order = ["pytorch", "flash2", "sdpa"]
    with_flash = choice().toggled("flash2", order)
    assert with_flash.implementations == ("pytorch", "flash2", "sdpa")
    assert with_flash.toggled("flash2", order) == choice()


def test_unchecking_the_baseline_passes_it_on() -> None:
    assert choice().toggled("pytorch", ["pytorch", "sdpa"]).baseline == "sdpa"


def test_an_implementation_that_the_catalog_does_not_know_can_be_unchecked_and_checked() -> None:
    without = choice().toggled("sdpa", ["pytorch"])
    assert without.implementations == ("pytorch",)
    assert without.toggled("sdpa", ["pytorch"]).implementations == ("pytorch", "sdpa")


def test_the_last_implementation_stays() -> None:
    with pytest.raises(PlanError, match="something has to be measured"):
        choice(implementations=("sdpa",), baseline="sdpa").toggled("sdpa", ["sdpa"])


def test_a_new_baseline_is_measured_too() -> None:
    assert choice().with_baseline("sdpa").baseline == "sdpa"
    assert choice().with_baseline("flash2").implementations == ("pytorch", "sdpa", "flash2")


def test_what_a_device_cannot_do_is_left_out_of_an_earlier_choice() -> None:
    earlier = choice(
        dtype="bfloat16", implementations=("flash2", "sdpa"), baseline="flash2", seq=512, causal=True
    )
    fitted = fitting(earlier, hello("cuda", entry("pytorch"), entry("sdpa"), capability=(7, 5)))
    assert (fitted.implementations, fitted.baseline, fitted.dtype) == (("sdpa",), "sdpa", "float16")
    assert (fitted.seq, fitted.causal) == (512, True)
    assert fitting(earlier, hello("cuda")).dtype == "bfloat16"


def test_an_earlier_choice_of_which_nothing_is_left_is_of_all_that_can_run() -> None:
    earlier = choice(implementations=("flash2",), baseline="flash2")
    assert fitting(earlier, hello()).implementations == ("pytorch", "sdpa")


def test_the_device_is_known_by_what_the_engine_says_of_it() -> None:
    assert device_info(hello("cuda", capability=(7, 5))) == DeviceInfo("cuda", "Some device", (7, 5))
    assert device_info(hello("cpu")) == DeviceInfo("cpu", "Some device", None)


@pytest.mark.parametrize(
    "chosen",
    [
        choice(),
        choice(kv_heads=2, causal=True, window=64, passes=("fwd", "bwd"), baseline="sdpa"),
        choice(keeps="emb_dim", heads=16, head_dim=32, window=0, dtype="bfloat16", passes=("fwd_bwd",)),
        choice(implementations=("sdpa",), baseline="sdpa"),
        choice(seq_q=16, causal=True),
        choice(decode=True),
        choice(decode=True, seq_q=4, softcap=30.0),
        choice(batch=3, seq=64, lengths=(64, 1, 30), dropout=0.125),
    ],
)
def test_a_command_measures_what_the_screen_does(chosen: Choice) -> None:
    quick, full = quick_plan(chosen, "cpu", seed=7), full_plan(chosen, "cpu")
    for plan in (quick, full):
        assert planned(command_for(chosen.workload(), chosen.implementations, plan)) == plan


def test_a_plan_is_read_back_as_the_choice_it_was_made_of() -> None:
    chosen = choice(kv_heads=2, causal=True, passes=("fwd",))
    assert choice_of(full_plan(chosen, "cpu")) == chosen
    other = choice(seq=512).workload()
    assert choice_of(full_plan(chosen, "cpu"), other).seq == 512


@pytest.mark.parametrize(
    "chosen",
    [
        choice(seq_q=1),
        choice(decode=True, passes=("fwd",)),
        choice(decode=True, seq_q=8, passes=("fwd",)),
        choice(batch=2, lengths=(256, 9), dropout=0.1, softcap=50.0),
    ],
)
def test_what_a_shape_may_have_besides_is_read_back_too(chosen: Choice) -> None:
    assert choice_of(full_plan(chosen, "cpu")) == chosen


def test_decoding_is_measured_in_its_forward_pass_whatever_passes_are_chosen() -> None:
    assert quick_plan(choice(decode=True, passes=("bwd",)), "cpu").passes == ("fwd",)


def test_an_earlier_choice_keeps_what_it_named_where_that_can_run() -> None:
    earlier = choice(implementations=("sdpa+compile", "gone.py:f", "flash2+compile"), baseline="gone.py:f")
    named = [entry("sdpa+compile"), entry("flash2+compile", "needs a CUDA GPU")]
    assert fitting(earlier, hello(), named).implementations == ("sdpa+compile",)


def test_a_plan_without_a_shape_is_no_choice() -> None:
    with pytest.raises(PlanError, match="no shape"):
        choice_of(Plan(workloads=(), implementations=("sdpa",)))
