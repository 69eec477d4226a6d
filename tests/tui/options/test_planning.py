"""What typed options are planned as, and the one sentence for those that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

import impls
from impls.contract import DeviceInfo
from profiler.events import Gpu
from profiler.machine.environment import Device
from profiler.plans.plan import Plan, PlanError, Stopping, Takes
from profiler.plans.presets import PRESETS
from tui.options.asked import Asked
from tui.options.planning import make_plan

CPU = Device("cpu", DeviceInfo("cpu", "Some CPU"))
H100 = Device("cuda:0", DeviceInfo("cuda", "H100", (9, 0)))
NAMELESS = Device("cuda:0", DeviceInfo("cuda", "H100", (9, 0)), Gpu(name="H100"))
H100_80GB = Device("cuda:0", DeviceInfo("cuda", "H100", (9, 0)), Gpu(name="H100", memory_bytes=80 * 2**30))
T4 = Device("cuda:0", DeviceInfo("cuda", "Tesla T4", (7, 5)))


QUICK = Stopping(precision=0.03, budget_s=1.0, warm_up_s=0.0)


def planned(device: Device = CPU, **asked: Any) -> Plan:
    return make_plan(Asked(**asked), device)


def replaced(stopping: Stopping, **changes: Any) -> Stopping:
    return msgspec.structs.replace(stopping, **changes)


def refusal(device: Device = CPU, **asked: Any) -> str:
    with pytest.raises((PlanError, impls.UnknownImplementation)) as refused:
        make_plan(Asked(**asked), device)
    return str(refused.value)


def test_without_shape_options_a_gpu_gets_the_labs_own_shape() -> None:
    (shape,) = planned(H100).workloads
    assert (shape.batch, shape.seq_q, shape.heads, shape.emb_dim, shape.dtype, shape.causal) == (
        32,
        1024,
        32,
        2048,
        "float16",
        False,
    )


def test_without_shape_options_a_cpu_gets_what_it_does_in_a_minute() -> None:
    plan = planned()
    assert [shape.seq_q for shape in plan.workloads] == [128, 256, 512]
    assert {(s.batch, s.heads, s.emb_dim, s.dtype) for s in plan.workloads} == {(1, 8, 512, "float32")}


def test_one_shape_option_leaves_the_others_at_their_defaults() -> None:
    (shape,) = planned(H100, seq="256").workloads
    assert (shape.batch, shape.seq_q, shape.heads, shape.emb_dim) == (32, 256, 32, 2048)


def test_a_head_dim_stands_in_for_the_default_embedding() -> None:
    (shape,) = planned(H100, head_dim="128").workloads
    assert (shape.heads, shape.head_dim, shape.emb_dim) == (32, 128, 4096)


def test_everything_else_has_its_default() -> None:
    plan = planned()
    assert plan.passes == ("fwd", "bwd", "fwd_bwd")
    assert plan.stopping == Stopping(
        repeats=None, precision=0.01, budget_s=10.0, warm_up_s=0.1, cooldown_s=0.0
    )
    assert plan.takes == Takes(accuracy=True, graphs=True, ceilings=True, energy=False, kernels=False)
    assert plan.memory_limit_bytes is None
    assert (plan.device, plan.seed, plan.timeout_s, plan.label) == ("cpu", 0, 120.0, "")


def test_without_names_all_that_run_on_the_device_are_measured() -> None:
    on_cpu, on_t4, on_h100 = (planned(device).implementations for device in (CPU, T4, H100))
    assert on_cpu[0] == "pytorch"
    assert {"pytorch", "sdpa", "sdpa-math", "sdpa-flash"} <= set(on_cpu)
    assert {"sdpa-cudnn", "sdpa-efficient"} <= set(on_h100) - set(on_cpu)
    assert "sdpa-efficient" in on_t4
    assert "sdpa-flash" not in on_t4
    assert not any("+" in name for name in on_h100)


def test_names_and_aliases_in_lists_and_again_each_once_in_the_order_typed() -> None:
    plan = planned(impl=("Flash2, Pytorch", "SDPA,torch"))
    assert plan.implementations == ("flash2", "pytorch", "sdpa")


def test_the_labs_command_line_is_the_labs_experiment() -> None:
    plan = planned(
        H100,
        batch="32",
        seq="1024",
        heads="32",
        emb_dim="2048",
        impl=("Flash2",),
        causal=(True,),
        repeats=30,
    )
    (shape,) = plan.workloads
    assert (shape.batch, shape.seq_q, shape.heads, shape.head_dim) == (32, 1024, 32, 64)
    assert (shape.causal, shape.dtype) == (True, "float16")
    assert plan.implementations == ("flash2",)
    assert plan.stopping.repeats == 30


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_brings_shapes_implementations_baseline_stopping_and_label(name: str) -> None:
    plan, preset = planned(H100, preset=name), PRESETS[name]
    assert plan.workloads == preset.workloads
    assert plan.implementations == preset.implementations
    assert (plan.baseline, plan.stopping, plan.label) == (preset.baseline, preset.stopping, name)
    assert plan.passes == ("fwd", "bwd", "fwd_bwd")


def test_a_preset_can_be_run_with_other_implementations_and_another_stop() -> None:
    plan = planned(preset="lab6", impl=("sdpa",), precision="2%", label="mine")
    assert plan.implementations == ("sdpa",)
    assert plan.baseline == "sdpa"
    assert plan.stopping == Stopping(precision=0.02)
    assert plan.label == "mine"
    assert planned(preset="lab6", repeats=5).stopping.repeats == 5


@pytest.mark.parametrize("name", ["lab6", "fa3-paper"])
def test_how_it_is_measured_can_be_said_beside_any_preset(name: str) -> None:
    plan = planned(
        H100_80GB, preset=name, energy=True, kernels=True, cooldown_s=2.0, memory_limit="12GiB", passes="fwd"
    )
    assert plan.workloads == PRESETS[name].workloads
    assert plan.takes == Takes(energy=True, kernels=True)
    assert plan.stopping == replaced(PRESETS[name].stopping, cooldown_s=2.0)
    assert (plan.memory_limit_bytes, plan.passes) == (12 * 2**30, ("fwd",))
    assert planned(H100, preset=name, quick=True).stopping == QUICK


def test_a_baseline_that_was_not_listed_is_measured_too() -> None:
    plan = planned(impl=("sdpa", "flash2"), baseline="Pytorch")
    assert plan.implementations == ("pytorch", "sdpa", "flash2")
    assert plan.baseline == "pytorch"


def test_a_baseline_that_was_listed_stays_in_its_place() -> None:
    plan = planned(impl=("pytorch", "sdpa"), baseline="sdpa")
    assert plan.implementations == ("pytorch", "sdpa")
    assert plan.baseline == "sdpa"


@pytest.mark.parametrize(
    ("names", "baseline"), [(("sdpa", "pytorch"), "pytorch"), (("sdpa", "sdpa-math"), "sdpa")]
)
def test_without_a_baseline_it_is_pytorch_or_else_the_first(names: tuple[str, ...], baseline: str) -> None:
    assert planned(impl=names).baseline == baseline


def test_both_causal_flags_measure_both_in_the_order_typed() -> None:
    plan = planned(seq="64", causal=(True, False, True))
    assert [shape.causal for shape in plan.workloads] == [True, False]


def test_windows_may_be_sizes_zero_and_none() -> None:
    plan = planned(seq="64", window="none, 0,1k")
    assert [shape.window for shape in plan.workloads] == [None, 0, 1024]


def test_queries_of_their_own_number_are_combined_with_every_length() -> None:
    plan = planned(seq="1k,2k", seq_q="16,64")
    assert [(shape.seq_q, shape.seq_k) for shape in plan.workloads] == [
        (16, 1024),
        (16, 2048),
        (64, 1024),
        (64, 2048),
    ]


def test_decoding_is_one_query_against_every_length_forward_alone() -> None:
    plan = planned(seq="1k,2k", decode=True)
    assert [(shape.seq_q, shape.seq_k) for shape in plan.workloads] == [(1, 1024), (1, 2048)]
    assert all(shape.decode for shape in plan.workloads)
    assert plan.passes == ("fwd",)
    assert planned(seq="1k", decode=True, seq_q="4", passes="fwd").workloads[0].seq_q == 4


def test_dropout_and_softcap_are_those_of_every_shape() -> None:
    plan = planned(seq="64,128", dropout="0.1", softcap="50")
    assert {(shape.dropout, shape.softcap) for shape in plan.workloads} == {(0.1, 50.0)}
    (shape,) = planned(seq="64", softcap="none", dropout="0").workloads
    assert (shape.dropout, shape.softcap) == (0.0, None)


def test_lengths_are_drawn_with_the_seed_and_the_longest_is_the_shapes() -> None:
    (shape,) = planned(seq_dist="uniform:128..4k", batch="8").workloads
    assert shape.lengths is not None
    assert (shape.batch, shape.seq_q, shape.seq_k) == (8, max(shape.lengths), max(shape.lengths))
    assert all(128 <= length <= 4096 for length in shape.lengths)
    assert planned(seq_dist="uniform:128..4k", batch="8").workloads == (shape,)
    assert planned(seq_dist="uniform:128..4k", batch="8", seed=1).workloads != (shape,)


def test_every_batch_size_has_its_lengths() -> None:
    plan = planned(seq_dist="uniform:1..9", batch="2,5", causal=(False, True))
    assert [len(shape.lengths or ()) for shape in plan.workloads] == [2, 2, 5, 5]


def test_listed_lengths_are_the_batch() -> None:
    (shape,) = planned(seq_dist="list:512,1k,77").workloads
    assert (shape.batch, shape.seq_q, shape.lengths) == (3, 1024, (512, 1024, 77))


def test_variants_are_measured_by_their_own_names_and_can_be_the_baseline() -> None:
    plan = planned(impl=("Pytorch+compile,sdpa",), baseline="sdpa+compile")
    assert plan.implementations == ("sdpa+compile", "pytorch+compile", "sdpa")
    assert plan.baseline == "sdpa+compile"


def test_an_implementation_that_cannot_run_here_is_planned_for_its_row_says_why() -> None:
    assert planned(impl=("sdpa-cudnn", "sdpa")).implementations == ("sdpa-cudnn", "sdpa")


def test_lists_and_ranges_multiply_into_a_sweep() -> None:
    plan = planned(batch="1,2", seq="1k..4k", heads="8", kv_heads="2,8", head_dim="64", dtype="fp32,bf16")
    assert len(plan.workloads) == 2 * 3 * 2 * 2
    assert plan.count == 24 * len(plan.implementations)


@pytest.mark.parametrize(
    ("typed", "passes"),
    [
        ("fwd", ("fwd",)),
        ("bwd,fwd", ("fwd", "bwd")),
        ("fwd_bwd", ("fwd_bwd",)),
        ("forward, forward+backward", ("fwd", "fwd_bwd")),
        ("FWD-BWD,bwd", ("bwd", "fwd_bwd")),
    ],
)
def test_passes_by_their_names_in_a_fixed_order(typed: str, passes: tuple[str, ...]) -> None:
    assert planned(passes=typed).passes == passes


@pytest.mark.parametrize(
    ("asked", "stopping"),
    [
        ({"repeats": 1}, Stopping(repeats=1)),
        ({"precision": "1%"}, Stopping(precision=0.01)),
        ({"precision": "0.005"}, Stopping(precision=0.005)),
        ({"precision": " .5 % "}, Stopping(precision=0.005)),
        ({"budget_s": 2.5}, Stopping(budget_s=2.5)),
        ({"precision": "3%", "budget_s": 60.0}, Stopping(precision=0.03, budget_s=60.0)),
    ],
)
def test_ways_to_say_when_to_stop(asked: dict[str, Any], stopping: Stopping) -> None:
    assert planned(**asked).stopping == stopping


def test_quick_is_about_a_second_a_shape_for_times_and_memory_alone() -> None:
    plan = planned(quick=True)
    assert plan.stopping == QUICK
    assert plan.takes == Takes(accuracy=False, graphs=False, ceilings=False, energy=False, kernels=False)


@pytest.mark.parametrize(
    ("asked", "stopping"),
    [
        ({"precision": "1%"}, replaced(QUICK, precision=0.01)),
        ({"budget_s": 4.0}, replaced(QUICK, budget_s=4.0)),
        ({"repeats": 5}, replaced(QUICK, repeats=5)),
        ({"preset": "lab6", "repeats": 5}, replaced(QUICK, repeats=5)),
        ({"cooldown_s": 0.05}, replaced(QUICK, cooldown_s=0.05)),
    ],
)
def test_what_is_typed_beside_quick_stands(asked: dict[str, Any], stopping: Stopping) -> None:
    plan = planned(quick=True, **asked)
    assert plan.stopping == stopping
    assert not plan.takes.accuracy


@pytest.mark.parametrize(
    ("asked", "stopping"),
    [
        ({"cooldown_s": 0.5}, Stopping(cooldown_s=0.5)),
        ({"cooldown_s": 119.0}, Stopping(cooldown_s=119.0)),
        ({"cooldown_s": 300.0, "timeout_s": 301.0}, Stopping(cooldown_s=300.0)),
        ({"cooldown_s": 1.0, "repeats": 3}, Stopping(repeats=3, cooldown_s=1.0)),
    ],
)
def test_rests_go_with_any_way_to_stop(asked: dict[str, Any], stopping: Stopping) -> None:
    assert planned(**asked).stopping == stopping


def test_energy_and_kernels_are_taken_where_they_are_asked_for() -> None:
    assert planned(H100, energy=True).takes == Takes(energy=True)
    assert planned(H100, kernels=True).takes == Takes(kernels=True)
    assert planned(CPU, kernels=True).takes == Takes(kernels=True)


@pytest.mark.parametrize(
    ("device", "typed", "limit_bytes"),
    [
        (CPU, "256MiB", 2**28),
        (CPU, "1.5GiB", 3 * 2**29),
        (H100_80GB, "12G", 12 * 2**30),
        (H100_80GB, "80GiB", 80 * 2**30),
        (H100_80GB, "80GB", 80 * 10**9),
        (NAMELESS, "200GiB", 200 * 2**30),  # its memory is not known: the worker will tell
        (H100, "200GiB", 200 * 2**30),
    ],
)
def test_a_memory_limit_up_to_what_the_gpu_has(device: Device, typed: str, limit_bytes: int) -> None:
    assert planned(device, memory_limit=typed).memory_limit_bytes == limit_bytes


def test_a_memory_limit_above_what_the_gpu_has_is_refused_with_both() -> None:
    assert refusal(H100_80GB, memory_limit="81GiB") == (
        "--memory-limit 81GiB is more than the 80.0 GiB of H100; give less, or drop it"
    )


BOTH_STOPS = "give --repeats for an exact count, or --precision and --budget, not both"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            {"emb_dim": "2048", "heads": "32,48"},
            "emb dim must be a multiple of heads: 2048 is not one of 48",
        ),
        ({"heads": "8", "kv_heads": "3"}, "heads must be a multiple of kv heads: 8 is not one of 3"),
        ({"heads": "2", "kv_heads": "4"}, "heads must be a multiple of kv heads: 2 is not one of 4"),
        ({"seq": "0"}, "--seq must be at least 1, not 0"),
        ({"batch": "-4"}, "--batch must be at least 1, not -4"),
        ({"heads": "0"}, "--heads must be at least 1, not 0"),
        ({"kv_heads": "0"}, "--kv-heads must be at least 1, not 0"),
        ({"head_dim": "-64"}, "--head-dim must be at least 1, not -64"),
        ({"emb_dim": "0"}, "--emb-dim must be at least 1, not 0"),
        ({"window": "-1"}, "--window must be at least 0, not -1"),
        ({"window": "2147483648"}, "--window must be at most 2147483647, not 2147483648"),
        ({"seq": "4k..1k"}, "--seq range 4k..1k runs backwards; write 1k..4k"),
        ({"dtype": "fp8"}, "there is no dtype 'fp8'; there are fp16, bf16 and fp32"),
        (
            {"head_dim": "64", "emb_dim": "512"},
            "give --head-dim or --emb-dim, not both: emb dim is heads x head dim",
        ),
        ({"impl": ("flash22",)}, "there is no implementation 'flash22'; did you mean flash2"),
        (
            {"impl": ("nothing-like-it",)},
            "there is no implementation 'nothing-like-it'; there are pytorch, ",
        ),
        (
            {"impl": ("sdpa",), "baseline": "pytroch"},
            "there is no implementation 'pytroch'; did you mean pytorch",
        ),
        ({"impl": ("sdpa,,pytorch",)}, "--impl has an empty name in its list"),
        ({"impl": ("",)}, "--impl has an empty name in its list"),
        (
            {"preset": "lab7"},
            "there is no preset 'lab7'; there are lab6, lab5-seq, lab5-heads, lab5-emb, fa3-paper, "
            "generations-64, generations-128, generations-256",
        ),
        (
            {"preset": "lab6", "kv_heads": "4"},
            "the preset lab6 brings its own shapes; drop it, or drop --kv-heads",
        ),
        (
            {"preset": "lab6", "causal": (False,)},
            "the preset lab6 brings its own shapes; drop it, or drop --causal",
        ),
        (
            {"preset": "lab6", "quick": True, "seq": "64"},
            "the preset lab6 brings its own shapes; drop it, or drop --seq",
        ),
        (
            {"preset": "lab6", "decode": True},
            "the preset lab6 brings its own shapes; drop it, or drop --decode",
        ),
        (
            {"preset": "lab6", "seq_dist": "list:1,2"},
            "the preset lab6 brings its own shapes; drop it, or drop --seq-dist",
        ),
        (
            {"decode": True, "passes": "bwd"},
            "--decode only reads its cache, so there is a forward pass alone; drop it, or drop --pass",
        ),
        ({"decode": True, "passes": "fwd,bwd"}, "--decode only reads its cache, "),
        ({"decode": True, "dropout": "0.1"}, "decoding has no dropout: that is for training"),
        ({"dropout": "1"}, "dropout must be at least 0 and below 1, not 1"),
        ({"dropout": "nan"}, "dropout must be at least 0 and below 1, not nan"),
        ({"dropout": "0.1,0.2"}, "--dropout takes a probability such as 0.1, not '0.1,0.2'"),
        ({"softcap": "-1"}, "softcap must be a number above 0, not -1"),
        ({"softcap": "much"}, "--softcap takes a number such as 50, or none, not 'much'"),
        (
            {"seq_dist": "uniform:1..8", "seq": "64"},
            "--seq-dist says how long the sequences are; drop it, or drop --seq",
        ),
        ({"seq_dist": "uniform:1..8", "seq_q": "1"}, "--seq-dist says how long the sequences are; "),
        (
            {"seq_dist": "list:1,8", "decode": True},
            "--seq-dist says how long the sequences are; drop it, or drop --decode",
        ),
        (
            {"seq_dist": "list:1,8", "batch": "2"},
            "--seq-dist list: has a length for each sequence of the batch; drop --batch",
        ),
        (
            {"seq_dist": "uniform:1..8", "batch": "1,4097"},
            "--seq-dist draws lengths for a --batch of up to 4096, not 4097",
        ),
        ({"seq_dist": "normal:1..8"}, "--seq-dist takes uniform:128..4096 "),
        (
            {"impl": ("pytorch+faster",)},
            "there is no pytorch+faster; there are pytorch+compile, ",
        ),
        ({"passes": "fwd,sideways"}, "there is no pass 'sideways'; there are fwd, bwd, fwd_bwd"),
        ({"repeats": 5, "precision": "1%"}, BOTH_STOPS),
        ({"repeats": 5, "budget_s": 1.0}, BOTH_STOPS),
        ({"repeats": 0}, "--repeats must be at least 1, not 0"),
        ({"repeats": -3}, "--repeats must be at least 1, not -3"),
        ({"precision": "0"}, "--precision takes a share such as 1% or 0.01, not '0'"),
        ({"precision": "100%"}, "--precision takes a share such as 1% or 0.01, not '100%'"),
        ({"precision": "tight"}, "--precision takes a share such as 1% or 0.01, not 'tight'"),
        ({"budget_s": 0.0}, "--budget must be a number of seconds above 0, not 0"),
        ({"budget_s": float("nan")}, "--budget must be a number of seconds above 0, not nan"),
        ({"timeout_s": -1.0}, "--timeout must be a number of seconds above 0, not -1"),
        ({"timeout_s": float("inf")}, "--timeout must be a number of seconds above 0, not inf"),
        ({"quick": True, "repeats": 5, "budget_s": 1.0}, BOTH_STOPS),
        ({"quick": True, "energy": True}, "--quick has no time for --energy: drop --quick, or drop --energy"),
        ({"quick": True, "kernels": True}, "--quick has no time for --kernels: drop --quick, or drop "),
        (
            {"quick": True, "energy": True, "kernels": True},
            "--quick has no time for --energy and --kernels: drop --quick, or drop --energy and --kernels",
        ),
        ({"energy": True}, "--energy reads the energy counter of a GPU, and the CPU has none: drop --energy"),
        ({"cooldown_s": -1.0}, "--cooldown must be a number of seconds from 0 on, not -1"),
        ({"cooldown_s": float("nan")}, "--cooldown must be a number of seconds from 0 on, not nan"),
        ({"cooldown_s": float("inf")}, "--cooldown must be a number of seconds from 0 on, not inf"),
        ({"cooldown_s": 120.0}, "--cooldown must be below --timeout (120 s), not 120: a case that gives no"),
        ({"cooldown_s": 5.0, "timeout_s": 2.5}, "--cooldown must be below --timeout (2.5 s), not 5: "),
        ({"cooldown_s": 5.0, "timeout_s": -1.0}, "--timeout must be a number of seconds above 0, not -1"),
        ({"memory_limit": "255MiB"}, "--memory-limit must be at least 256 MiB, not 255MiB"),
        ({"memory_limit": "12"}, "--memory-limit takes a size with its unit, such as 12GiB (or 12G), "),
        ({"memory_limit": ""}, "--memory-limit takes a size with its unit, "),
        (
            {"seq": "1..2m", "batch": ",".join(map(str, range(1, 601)))},
            "the lists multiply into 13,200 shapes; ",
        ),
        (
            {"batch": ",".join(map(str, range(1, 5002))), "seq": "64", "impl": ("sdpa,pytorch",)},
            "that makes 10,002 cases (shapes x implementations); at most 10,000 are possible",
        ),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_what_cannot_be_planned_is_refused_in_one_sentence(asked: dict[str, Any], sentence: str) -> None:
    said = refusal(**asked)
    assert said.startswith(sentence)
    assert "\n" not in said


@pytest.mark.parametrize(
    "name",
    [
        "batch",
        "seq",
        "seq_q",
        "seq_dist",
        "heads",
        "kv_heads",
        "head_dim",
        "emb_dim",
        "dtype",
        "window",
        "dropout",
        "softcap",
    ],
)
def test_an_empty_option_is_refused_and_not_taken_for_the_default(name: str) -> None:
    empty: dict[str, Any] = {name: ""}  # what `--seq "$UNSET"` comes to
    assert refusal(**empty)
    assert refusal(preset="lab6", **empty).startswith("the preset lab6 brings its own shapes")


def test_an_empty_baseline_is_no_baseline() -> None:
    assert refusal(baseline="").startswith("there is no implementation ''; there are pytorch")


def test_a_dtype_that_the_gpu_lacks_is_refused_with_those_it_has() -> None:
    assert refusal(T4, dtype="fp16,bf16", seq="64") == (
        "Tesla T4 has no bfloat16 (it came with compute capability 8.0); use float16 or float32"
    )
    assert planned(H100, dtype="bf16").workloads[0].dtype == "bfloat16"
    assert planned(CPU, dtype="bf16").workloads[0].dtype == "bfloat16"


def test_a_gpu_whose_capability_is_unknown_is_given_the_benefit_of_the_doubt() -> None:
    unknown = replace(H100, info=DeviceInfo("cuda", "GPU", None))
    assert planned(unknown, dtype="bf16").workloads[0].dtype == "bfloat16"


LARGEST = 2**31 - 1


@pytest.mark.parametrize(
    "name", ["batch", "seq", "seq_q", "heads", "kv_heads", "head_dim", "emb_dim", "window"]
)
@pytest.mark.parametrize("typed", [str(LARGEST + 1), "2048m", "9" * 30, f"1,{LARGEST + 1}"])
def test_sizes_beyond_what_kernels_count_in_are_refused_in_one_sentence(name: str, typed: str) -> None:
    option = f"--{name.replace('_', '-')}"
    size = typed.rpartition(",")[2]
    asked: dict[str, Any] = {name: typed}
    assert refusal(**asked) == f"{option} must be at most {LARGEST}, not {size}"


def test_a_range_that_ends_beyond_them_is_refused_before_it_is_made() -> None:
    assert refusal(seq=f"1..{'9' * 30}") == f"--seq must be at most {LARGEST}, not {'9' * 30}"


def test_the_largest_size_can_be_planned() -> None:
    (shape,) = planned(batch="1", heads="1", head_dim="1", seq=str(LARGEST), window=str(LARGEST)).workloads
    assert (shape.seq_k, shape.window) == (LARGEST, LARGEST)


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30])
def test_a_seed_that_torch_does_not_take_is_refused_in_one_sentence(seed: int) -> None:
    assert refusal(seed=seed) == f"--seed must be a whole number from 0 to 2^63 - 1, not {seed}"


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_every_seed_that_can_be_planned_makes_inputs(seed: int) -> None:
    from profiler.worker.inputs import make_inputs
    from profiler.worker.reference import sample_pairs

    plan = planned(seed=seed, batch="1", seq="4", heads="1", head_dim="4")
    assert plan.seed == seed
    (shape,) = plan.workloads
    assert make_inputs(shape, "bhsd", "cpu", plan.seed).q.shape == (1, 1, 4, 4)
    assert sample_pairs(shape, "cpu", plan.seed)
