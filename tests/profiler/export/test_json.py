"""JSON in the labs' shape, and which format a file's name asks for."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from profiler.events import Event, Planned
from profiler.export import FORMATS, Format, UnknownFormat, export, format_of
from profiler.plans.plan import Stopping
from profiler.session.recording import Recording
from tests.examples import (
    FLASH_KERNEL,
    GIB,
    attention,
    cases,
    checked,
    failed,
    header,
    held,
    hopper,
    lab6,
    lab6_events,
    measured,
    plan,
    single,
)

LABS_KEYS = {"forward", "backward", "forward_backward", "peak_memory_usage(MB)"}


def exported(recording: Recording) -> Any:
    return json.loads(export(recording, "json"))


def test_one_shape_and_implementation_make_the_labs_object_and_one_key_more() -> None:
    content = exported(single())
    assert set(content) == LABS_KEYS | {"attnprof"}
    for stage in ("forward", "backward", "forward_backward"):
        assert set(content[stage]) == {"time(s)", "FLOPS(TFLOPs/s)"}


def test_times_are_seconds_rates_tflops_and_memory_the_absolute_peak_in_mib() -> None:
    content = exported(single())
    assert content["backward"]["time(s)"] == pytest.approx(0.0025)
    flop = attention(causal=True).flop("fwd_bwd")
    assert content["forward_backward"]["FLOPS(TFLOPs/s)"] == pytest.approx(flop / 0.0036 / 1e12)
    assert content["peak_memory_usage(MB)"] == 512


def test_a_pass_that_was_not_asked_for_is_null() -> None:
    content = exported(single(["fwd"]))
    assert content["backward"] == {"time(s)": None, "FLOPS(TFLOPs/s)": None}
    assert content["forward"]["time(s)"] == pytest.approx(0.001)


def test_of_several_plans_each_result_says_how_its_own_measured() -> None:
    quick = Stopping(budget_s=1.0, warm_up_s=0.0)
    events: list[Event] = [header()]
    for first, (seq, stopping) in enumerate([(64, quick), (128, Stopping())]):
        of = plan([attention(seq=seq)], ["flash2"])
        of = msgspec.structs.replace(of, stopping=stopping, first_case=first)
        (case,) = cases(of)
        events += [Planned(plan=of), *checked(case), *measured(case)]
    found = [
        (one["seq_len"], one["attnprof"]["stopping"]["warm_up_s"]) for one in exported(Recording.of(events))
    ]
    assert found == [(64, 0.0), (128, Stopping().warm_up_s)]


def test_the_fuller_result_stands_under_attnprof() -> None:
    fuller = exported(single())["attnprof"]
    assert fuller["environment"]["gpu"]["name"] == "NVIDIA H100 80GB HBM3"
    assert fuller["parameters"]["implementation"] == "flash2"
    assert fuller["status"] == "ok"
    forward, backward, _ = fuller["passes"]
    assert set(forward["device_ms"]) == {"median", "low", "high", "count"}
    assert forward["wall_ms"]["median"] == pytest.approx(1.1)
    assert backward["memory"]["saved_bytes"] is None
    assert forward["accuracy"]["verdict"] == "ok"


def test_kernels_stand_under_their_whole_names() -> None:
    forward = exported(hopper())[7]["attnprof"]["passes"][0]
    assert forward["kernels"] == {
        "operators": False,
        "span_us": 500.0,
        "kernels": [{"name": FLASH_KERNEL, "count": 1, "time_us": 480.0}],
    }


def test_what_was_taken_and_held_to_is_the_sessions() -> None:
    session = exported(held(lab6_events(), 12 * GIB))[0]["attnprof"]
    assert session["memory_limit_bytes"] == 12 * GIB
    assert session["takes"] == {
        **dict.fromkeys(("accuracy", "graphs", "ceilings"), True),
        **dict.fromkeys(("energy", "kernels"), False),
    }
    assert exported(lab6())[0]["attnprof"]["memory_limit_bytes"] is None


def test_what_the_check_told_is_whole() -> None:
    compiled = exported(hopper())[1]["attnprof"]["passes"][0]
    assert compiled["writes_inputs"] == ["q"]
    assert compiled["graph_breaks"] == {"call to a builtin that is not traced": 2}
    assert exported(hopper())[0]["attnprof"]["passes"][0]["graph_breaks"] is None


def test_a_row_has_its_tie_clock_conditions_and_energy() -> None:
    content = exported(hopper())
    tie = content[1]["attnprof"]["passes"][0]
    assert tie["tie"] is True
    assert tie["speedup"]["low"] <= 1 <= tie["speedup"]["high"]
    assert tie["sm_mhz"]["median"] == 1900.0
    measured = content[7]["attnprof"]["passes"][1]
    assert measured["conditions"] == {
        "power cap": pytest.approx(5 / 6),
        "another process on the GPU": pytest.approx(1 / 6),
    }
    assert measured["energy"]["joules_per_call"] == 1.25
    assert content[0]["attnprof"]["passes"][0]["energy"] is None


def test_the_session_has_its_ceilings_beside_the_data_sheets() -> None:
    ceilings = exported(hopper())[0]["attnprof"]["ceilings"]
    assert ceilings["matmul"]["bfloat16"] == {"tflops": 750.0, "size": 8192, "sm_mhz": 1542.0}
    assert ceilings["copy"]["gb_per_s"] == 3000.0
    assert ceilings["datasheet"]["tflops"]["bfloat16"] == 989.4
    assert exported(lab6())[0]["attnprof"]["ceilings"]["copy"] is None


def test_several_cases_make_a_list_of_such_objects_with_their_parameters() -> None:
    content = exported(lab6())
    assert len(content) == 8
    assert all(set(item) >= LABS_KEYS | {"attnprof"} for item in content)
    parameters = {
        key: content[2][key] for key in ("impl", "batch_size", "seq_len", "num_heads", "emb_dim", "causal")
    }
    assert parameters == {
        "impl": "flash2",
        "batch_size": 32,
        "seq_len": 512,
        "num_heads": 16,
        "emb_dim": 1024,
        "causal": True,
    }


def test_what_the_labs_know_nothing_of_stands_beside_their_options_where_a_shape_has_it() -> None:
    shapes = [attention(seq_q=1, seq_k=4096, decode=True), attention(batch=2, seq=64, lengths=(64, 10))]
    whole = plan(shapes, ["flash2"], ["fwd"])
    ran = [event for case in cases(whole) for event in measured(case, ["fwd"])]
    decode, ragged = exported(Recording.of([header(), Planned(plan=whole), *ran]))
    assert (decode["seq_len"], decode["seq_q"], decode["decode"]) == (4096, 1, True)
    assert (ragged["seq_len"], ragged["batch_size"], ragged["lengths"]) == (64, 2, [64, 10])
    assert not {"decode", "seq_q", "dropout", "softcap"} & set(ragged)
    assert ragged["attnprof"]["passes"][0]["lengths"] == [64, 10]


def test_a_case_out_of_memory_has_nulls_and_its_status() -> None:
    whole = plan([attention()], ["pytorch"])
    (case,) = cases(whole)
    oom = failed(case, "oom", "out of memory", requested_bytes=5, largest_batch=2)
    content = exported(Recording.of([header(), Planned(plan=whole), oom]))
    assert content["forward"] == {"time(s)": None, "FLOPS(TFLOPs/s)": None}
    assert content["peak_memory_usage(MB)"] is None
    assert content["attnprof"]["status"] == "oom"
    assert content["attnprof"]["passes"][0]["failure"]["largest_batch"] == 2


def test_a_case_that_failed_in_one_pass_keeps_the_others() -> None:
    item = exported(lab6())[4]  # pytorch at 4096: out of memory in backward
    assert item["forward"]["time(s)"] == pytest.approx(0.01)
    assert item["backward"]["time(s)"] is None
    assert item["attnprof"]["status"] == "oom"


def test_a_sweep_cut_short_after_one_case_is_still_a_list() -> None:
    whole = plan([attention(), attention(seq=2048)], ["pytorch"])
    recording = Recording.of([header(), Planned(plan=whole), failed(cases(whole)[0], "error", "no")])
    assert isinstance(exported(recording), list)


def test_a_session_without_cases_is_an_empty_list() -> None:
    assert exported(Recording.of([header()])) == []


@pytest.mark.parametrize(
    ("path", "explicit", "chosen"),
    [
        ("report.md", None, "md"),
        ("REPORT.MARKDOWN", None, "md"),
        ("a/b.c/results.CSV", None, "csv"),
        ("benchmark_result.json", None, "json"),
        ("report.txt", "csv", "csv"),
        ("report.md", "json", "json"),
        (None, None, "md"),
        ("-", None, "md"),
    ],
)
def test_the_format_is_the_one_named_else_the_suffixs(
    path: str | None, explicit: str | None, chosen: Format
) -> None:
    assert format_of(path, explicit) == chosen


@pytest.mark.parametrize(("path", "explicit"), [("report.txt", None), ("report", None), ("x.md", "pdf")])
def test_no_such_format_names_those_there_are(path: str, explicit: str | None) -> None:
    with pytest.raises(UnknownFormat) as refused:
        format_of(path, explicit)
    assert all(name in str(refused.value) for name in FORMATS)


@pytest.mark.parametrize("chosen", FORMATS)
def test_every_export_ends_with_one_newline(chosen: Format) -> None:
    text = export(lab6(), chosen)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
