"""How each parameter of a shape is shown, stepped through and typed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impls.contract import DeviceInfo
from profiler.plans.plan import PlanError
from profiler.workload import PASSES
from tui.app.choice import Choice
from tui.app.ladder import divisors
from tui.app.parameter import Parameter
from tui.app.parameters import PARAMETERS, listed, side_effect

BY_ID = {parameter.id: parameter for parameter in PARAMETERS}
T4 = DeviceInfo("cuda", "Tesla T4", (7, 5))


def choice(**changes: Any) -> Choice:
    return replace(Choice(batch=4, seq=1024, heads=16, head_dim=64, dtype="float16"), **changes)


def stepped(name: str, direction: int, *, fine: bool = False, **changes: Any) -> Choice:
    return BY_ID[name].step(choice(**changes), direction, fine)


def value(chosen: Choice, name: str) -> str:
    return BY_ID[name].text(chosen)


def refusal(parameter: str, typed: str, device: DeviceInfo | None = None, **changes: Any) -> str:
    with pytest.raises(PlanError) as refused:
        BY_ID[parameter].parse(choice(**changes), typed, device)
    return str(refused.value)


def no_step(parameter: str, direction: int, *, fine: bool = False, **changes: Any) -> str:
    with pytest.raises(PlanError) as refused:
        stepped(parameter, direction, fine=fine, **changes)
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "start", "up", "down"),
    [
        ("batch", 4, 8, 2),
        ("seq", 1024, 2048, 512),
        ("seq", 1000, 1024, 512),  # to the powers of two around it
        ("heads", 12, 16, 8),
        ("head_dim", 96, 128, 64),
    ],
)
def test_sizes_double_and_halve_along_the_powers_of_two(name: str, start: int, up: int, down: int) -> None:
    before, parameter = choice(**{name: start}), BY_ID[name]
    assert getattr(parameter.step(before, +1), name) == up
    assert getattr(parameter.step(before, -1), name) == down


@pytest.mark.parametrize(
    ("name", "start", "up", "down"),
    [
        ("batch", 4, 5, 3),
        ("seq", 1024, 1152, 960),  # an eighth of the power of two below
        ("seq", 256, 320, 192),  # and a tile of 64 at least
        ("seq", 1000, 1024, 960),
        ("seq", 64, 128, 56),
        ("seq", 8, 16, 7),
        ("heads", 16, 17, 15),
        ("head_dim", 64, 72, 56),
        ("head_dim", 60, 64, 56),
    ],
)
def test_fine_steps_are_small_and_land_on_even_places(name: str, start: int, up: int, down: int) -> None:
    before, parameter = choice(**{name: start}), BY_ID[name]
    assert getattr(parameter.step(before, +1, fine=True), name) == up
    assert getattr(parameter.step(before, -1, fine=True), name) == down


def test_the_ends_of_a_range_are_said() -> None:
    assert no_step("batch", -1, batch=1) == "batch is 1, the least there is"
    assert "at most" in no_step("seq", +1, seq=2**30)
    assert no_step("heads", -1, heads=1) == "heads is 1, the least there is"


def test_heads_stay_a_multiple_of_the_kv_heads() -> None:
    assert stepped("heads", +1, heads=12, kv_heads=3).heads == 24
    assert stepped("heads", -1, heads=12, kv_heads=3).heads == 6
    assert stepped("heads", +1, fine=True, heads=12, kv_heads=4).heads == 16


def test_fewer_heads_than_kv_heads_take_the_kv_heads_along_and_say_so() -> None:
    before = choice(heads=4, kv_heads=4)
    after = BY_ID["heads"].step(before, -1)
    assert (after.heads, after.kv_heads) == (2, 2)
    assert side_effect(before, after) == "kv heads went along to 2"
    assert BY_ID["heads"].parse(choice(kv_heads=8), "3").kv_heads == 3


def test_a_step_that_takes_nothing_along_says_nothing() -> None:
    assert side_effect(choice(), stepped("heads", +1)) == ""
    assert side_effect(choice(), stepped("kv_heads", -1)) == ""


def test_the_emb_dim_that_was_set_is_kept_as_heads_change() -> None:
    kept = BY_ID["emb_dim"].parse(choice(), "1024")
    for heads, head_dim in ((32, 32), (64, 16)):
        kept = BY_ID["heads"].step(kept, +1)
        assert (kept.heads, kept.head_dim, kept.emb_dim) == (heads, head_dim, 1024)
    free = BY_ID["head_dim"].parse(kept, "64")
    assert BY_ID["heads"].step(free, -1).head_dim == 64


def test_heads_step_to_what_the_kept_emb_dim_divides_into() -> None:
    of_1000: dict[str, Any] = {"heads": 10, "head_dim": 100, "keeps": "emb_dim"}
    assert stepped("heads", +1, **of_1000).heads == 20  # it divides into no power of two above 8
    assert stepped("heads", -1, **of_1000).heads == 8
    assert stepped("heads", +1, fine=True, **of_1000).heads == 20
    last: dict[str, Any] = {"heads": 64, "head_dim": 1, "keeps": "emb_dim"}
    assert no_step("heads", +1, **last) == "heads is 64, the most that emb dim 64 divides into"


def test_the_emb_dim_steps_so_that_heads_share_it_evenly() -> None:
    assert stepped("emb_dim", +1, heads=12).emb_dim == 12 * 128
    assert stepped("emb_dim", -1, fine=True, heads=12).emb_dim == 12 * 56
    assert stepped("emb_dim", +1).keeps == "emb_dim"


def test_what_only_follows_from_others_is_in_brackets() -> None:
    assert [value(choice(), name) for name in ("kv_heads", "head_dim", "emb_dim")] == ["(16)", "64", "(1024)"]
    kept = choice(keeps="emb_dim", kv_heads=4)
    assert [value(kept, name) for name in ("kv_heads", "head_dim", "emb_dim")] == ["4", "(64)", "1024"]


def test_kv_heads_step_through_the_divisors_of_the_heads() -> None:
    chosen, seen = choice(heads=12), []
    for _ in range(4):
        chosen = BY_ID["kv_heads"].step(chosen, -1)
        seen.append(chosen.kv_heads)
    assert seen == [6, 3, 2, 1]
    assert stepped("kv_heads", -1, fine=True, heads=12, kv_heads=6).kv_heads == 4
    assert stepped("kv_heads", +1, heads=12, kv_heads=6).kv_heads is None
    assert no_step("kv_heads", -1, kv_heads=1) == "kv heads is 1, the least there is"
    assert "as many as heads (16)" in no_step("kv_heads", +1)


def test_kv_heads_are_typed_as_a_number_or_as_heads() -> None:
    assert BY_ID["kv_heads"].parse(choice(), "4").kv_heads == 4
    for typed in ("16", "heads", "(16)"):
        assert BY_ID["kv_heads"].parse(choice(kv_heads=4), typed).kv_heads is None


def test_the_window_goes_from_off_by_64_and_doubling_to_where_it_would_see_all() -> None:
    chosen, seen = choice(), []
    for _ in range(4):
        chosen = BY_ID["window"].step(chosen, +1)
        seen.append(chosen.window)
    assert seen == [64, 128, 256, 512]
    assert "would see all of seq 1024" in no_step("window", +1, window=512)
    assert stepped("window", -1, window=64).window is None
    assert stepped("window", -1, fine=True, window=64).window == 56
    assert stepped("window", -1, fine=True, window=1).window is None
    assert "off already" in no_step("window", -1)
    assert BY_ID["window"].parse(choice(), "0").window == 0
    assert stepped("window", +1, window=0).window == 64
    assert BY_ID["window"].parse(choice(window=64), "Off").window is None


def test_dtypes_that_the_device_lacks_are_passed_over_and_refused() -> None:
    step = BY_ID["dtype"].step
    assert step(choice(), +1).dtype == "bfloat16"
    assert step(choice(), +1, device=T4).dtype == "float32"
    assert step(choice(dtype="bfloat16"), +1, device=T4).dtype == "float32"
    assert BY_ID["dtype"].parse(choice(), "BF16").dtype == "bfloat16"
    assert "Tesla T4 has no bfloat16" in refusal("dtype", "bf16", T4)


def test_queries_follow_the_keys_until_they_are_given_a_number_of_their_own() -> None:
    assert value(choice(), "seq_q") == "(1024)"
    fewer = stepped("seq_q", -1)
    assert (fewer.seq_q, value(fewer, "seq_q")) == (512, "512")
    assert value(BY_ID["seq"].step(fewer, +1), "seq_q") == "512"
    assert BY_ID["seq_q"].step(fewer, +1).seq_q is None
    for typed in ("1024", "seq", "(1024)"):
        assert BY_ID["seq_q"].parse(fewer, typed).seq_q is None


def test_decoding_has_one_query_and_a_forward_pass_and_no_dropout() -> None:
    before = choice(dropout=0.1, passes=("fwd", "bwd"))
    decode = BY_ID["decode"].step(before, +1)
    assert (decode.workload().seq_q, decode.workload().seq_k, decode.dropout) == (1, 1024, 0.0)
    assert value(decode, "seq_q") == "(1)"
    assert (value(decode, "passes"), decode.measured_passes) == ("(fwd)", ("fwd",))
    assert side_effect(before, decode) == "seq q went along to 1; dropout is off: decoding has none"
    assert no_step("passes", +1, decode=True) == (
        "decoding only reads its cache: there is a forward pass alone"
    )
    assert refusal("passes", "bwd", decode=True).startswith("decoding only reads its cache")
    assert refusal("dropout", "0.1", decode=True) == "decoding has no dropout: that is for training"
    trained = BY_ID["decode"].step(BY_ID["seq_q"].parse(decode, "4"), +1)
    assert (trained.workload().seq_q, trained.measured_passes) == (1024, ("fwd", "bwd"))


def test_dropout_and_softcap_step_through_usual_values_and_off() -> None:
    chosen, seen = choice(), []
    for _ in range(5):
        chosen = BY_ID["dropout"].step(chosen, +1)
        seen.append(value(chosen, "dropout"))
    assert seen == ["0.05", "0.1", "0.2", "0.3", "0.5"]
    assert no_step("dropout", +1, dropout=0.5) == "dropout is 0.5; more can be typed"
    assert no_step("softcap", -1) == "softcap is off already"
    assert stepped("softcap", -1, softcap=10.0).softcap is None
    assert stepped("softcap", +1, softcap=42.0).softcap == 50.0
    assert BY_ID["softcap"].parse(choice(softcap=50.0), "off").softcap is None


def test_recorded_lengths_go_when_batch_seq_or_queries_are_turned() -> None:
    recorded: dict[str, Any] = {"batch": 2, "seq": 64, "lengths": (64, 10)}
    assert "lengths" in [parameter.id for parameter in listed(choice(**recorded))]
    assert "lengths" not in [parameter.id for parameter in listed(choice())]
    assert value(choice(**recorded), "lengths") == "10..64"
    for name in ("batch", "seq", "seq_q", "decode"):
        after = stepped(name, +1, **recorded)
        assert after.lengths is None
        assert "the sequences are all" in side_effect(choice(**recorded), after)
    assert stepped("heads", +1, **recorded).lengths == (64, 10)
    assert stepped("causal", +1, **recorded).lengths == (64, 10)
    assert BY_ID["lengths"].parse(choice(**recorded), "off").lengths is None
    assert "recorded ones" in no_step("lengths", +1, **recorded)


def test_switches_and_passes_go_round() -> None:
    assert stepped("causal", +1).causal
    assert not stepped("causal", -1, causal=True).causal
    chosen, seen = choice(), []
    for _ in range(5):
        chosen = BY_ID["passes"].step(chosen, +1)
        seen.append(value(chosen, "passes"))
    assert seen == ["fwd", "bwd", "fwd_bwd", "fwd, bwd", "all"]
    assert value(BY_ID["passes"].parse(choice(), "backward,fwd"), "passes") == "fwd, bwd"
    assert BY_ID["passes"].parse(choice(passes=("fwd",)), "all").passes == PASSES


@pytest.mark.parametrize(("typed", "seq"), [("16k", 16384), (" 300 ", 300), ("1M", 2**20)])
def test_a_size_is_typed_as_on_the_command_line(typed: str, seq: int) -> None:
    assert BY_ID["seq"].parse(choice(), typed).seq == seq


@pytest.mark.parametrize(
    ("parameter", "typed", "said"),
    [
        ("seq", "abc", "seq takes a size such as 512 or 4k, not 'abc'"),
        ("seq", "0", "seq must be at least 1, not 0"),
        ("batch", "3000000k", "batch must be at most 2147483647, not 3000000k"),
        ("heads", "6", "heads must be a multiple of kv heads (4): 4 or 8 are possible, not 6"),
        ("kv_heads", "3", "kv heads must divide heads (16): 1, 2, 4, 8, 16 are possible, not 3"),
        ("kv_heads", "x", "kv heads takes a size such as 512 or 4k, or heads for as many, not 'x'"),
        ("emb_dim", "1000", "emb dim must be a multiple of heads (16): 992 or 1008 are possible, not 1000"),
        ("emb_dim", "3", "emb dim must be a multiple of heads (16): 16 is possible, not 3"),
        ("dtype", "fp8", "there is no dtype 'fp8'; there are fp16, bf16 and fp32"),
        ("dtype", "fp16,bf16", "dtype takes one of fp16, bf16 and fp32 here; the sweep takes several"),
        ("causal", "maybe", "causal takes yes or no, not 'maybe'"),
        ("decode", "maybe", "decode takes yes or no, not 'maybe'"),
        ("seq_q", "x", "seq q takes a size such as 512 or 4k, or seq for as many as usual, not 'x'"),
        ("dropout", "some", "dropout takes a number such as 0.1, or off, not 'some'"),
        ("dropout", "1", "dropout must be at least 0 and below 1, not 1"),
        ("softcap", "0", "softcap must be a number above 0, not 0"),
        ("lengths", "128", "lengths takes off here, for sequences all 1024 long, not '128'"),
        ("window", "wide", "window takes a size such as 512 or 4k, or off, not 'wide'"),
        ("passes", "sideways", "there is no pass 'sideways'; there are fwd, bwd, fwd_bwd"),
    ],
)
def test_a_refusal_says_what_is_possible(parameter: str, typed: str, said: str) -> None:
    assert refusal(parameter, typed, kv_heads=4) == said


def test_heads_that_do_not_divide_the_kept_emb_dim_are_refused() -> None:
    assert refusal("heads", "12", keeps="emb_dim") == (
        "heads must divide emb dim 1024, which is kept: 8 or 16 are possible, not 12"
    )
    assert refusal("heads", "2048", keeps="emb_dim").endswith("1024 is possible, not 2048")


choices = st.builds(
    lambda heads, share, **rest: choice(
        heads=heads, kv_heads=None if share is None else divisors(heads)[share % len(divisors(heads))], **rest
    ),
    heads=st.integers(1, 300),
    share=st.none() | st.integers(0, 20),
    batch=st.integers(1, 2**31 - 1),
    seq=st.integers(1, 2**31 - 1),
    head_dim=st.integers(1, 600),
    keeps=st.sampled_from(["head_dim", "emb_dim"]),
    causal=st.booleans(),
    window=st.none() | st.integers(0, 2**20),
    seq_q=st.none() | st.integers(1, 2**31 - 1),
    softcap=st.sampled_from([None, 0.5, 30.0, 50.0, 1e6]),
    dropout=st.sampled_from([0.0, 0.1, 0.123456789, 0.99]),
)
choices |= choices.map(lambda chosen: chosen.with_decode(True))
choices |= st.builds(
    lambda lengths: choice(batch=len(lengths), seq=max(lengths), lengths=tuple(lengths)),
    st.lists(st.integers(1, 4096), min_size=1, max_size=5),
)
parameters = st.sampled_from(PARAMETERS)


@given(choices, parameters, st.sampled_from([-1, 1]), st.booleans())
def test_a_step_leads_elsewhere_or_says_why_not(
    chosen: Choice, parameter: Parameter, direction: int, fine: bool
) -> None:
    try:
        after = parameter.step(chosen, direction, fine)
    except PlanError as refused:
        assert str(refused)
    else:
        assert parameter.show(after) != parameter.show(chosen)


@given(choices, parameters)
def test_what_is_shown_can_be_typed(chosen: Choice, parameter: Parameter) -> None:
    assert parameter.parse(chosen, parameter.text(chosen)).workload() == chosen.workload()


@given(choices, parameters, st.text(max_size=40))
def test_whatever_is_typed_is_taken_or_refused(chosen: Choice, parameter: Parameter, typed: str) -> None:
    try:
        parameter.parse(chosen, typed)
    except PlanError as refused:
        assert str(refused)
