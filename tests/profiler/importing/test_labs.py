"""The labs' own benchmark_result.json as a session: what it says, what must be given, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiler.export import export
from profiler.importing import AskedShapes, ImportRefused, imported_events
from profiler.results.rows import Row, rows
from profiler.session.recording import Recording
from tests.examples import hopper, single
from tests.training_examples import study

SHAPE = AskedShapes(
    impl=("flash2",),
    batch_size=(32,),
    seq_len=(1024,),
    num_heads=(32,),
    emb_dim=(2048,),
    dtype=("float16",),
    causal=(True,),
)
PARAMETERS = {
    "impl": "Flash2",
    "batch_size": 32,
    "seq_len": 1024,
    "num_heads": 32,
    "emb_dim": 2048,
    "dtype": "fp16",
    "causal": True,
}


def result(**changes: Any) -> dict[str, Any]:
    """What the labs' script writes of Flash2 at its own shape, causal."""
    return {
        "forward": {"time(s)": 0.0006, "FLOPS(TFLOPs/s)": 229.06},
        "backward": {"time(s)": 0.0018, "FLOPS(TFLOPs/s)": 190.88},
        "forward_backward": {"time(s)": 0.0024, "FLOPS(TFLOPs/s)": 200.43},
        "peak_memory_usage(MB)": 900.5,
        **changes,
    }


def file_of(folder: Path, content: object, name: str = "benchmark_result.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def imported(folder: Path, content: object, asked: AskedShapes = SHAPE) -> Recording:
    return Recording.of(imported_events([file_of(folder, content)], asked))


def refusal(folder: Path, content: object, asked: AskedShapes = SHAPE) -> str:
    with pytest.raises(ImportRefused) as refused:
        imported(folder, content, asked)
    return str(refused.value)


def by_pass(recording: Recording) -> dict[str, Row]:
    return {row.which: row for row in rows(recording)}


def test_times_rates_and_the_peak_are_the_files(tmp_path: Path) -> None:
    found = by_pass(imported(tmp_path, result()))
    assert [row.device_ms and row.device_ms.median for row in found.values()] == pytest.approx(
        [0.6, 1.8, 2.4]
    )
    assert [row.tflops for row in found.values()] == [229.06, 190.88, 200.43]
    assert {(row.implementation, row.workload.seq_q, row.workload.head_dim) for row in found.values()} == {
        ("flash2", 1024, 64)
    }
    peak = found["fwd_bwd"].memory
    assert peak and peak.absolute_bytes == 900.5 * 2**20
    assert peak.working_bytes == 900.5 * 2**20 - 3 * 32 * 1024 * 2048 * 2


def test_one_figure_has_no_interval_no_speedup_and_is_not_the_fastest(tmp_path: Path) -> None:
    paths = [
        file_of(tmp_path, result() | PARAMETERS | {"impl": name}, f"{name}.json")
        for name in ("Pytorch", "Flash2")
    ]
    found = rows(Recording.of(imported_events(paths, AskedShapes())))
    assert len(found) == 6
    for row in found:
        assert row.device_ms and (row.device_ms.count, row.device_ms.margin) == (1, None)
        assert (row.speedup, row.is_fastest, row.launch_hidden, row.wall_ms) == (None, False, False, None)


def test_the_one_peak_is_no_passes_but_the_largest_ones(tmp_path: Path) -> None:
    found = by_pass(imported(tmp_path, result(forward_backward=None)))
    assert found["fwd"].memory is None
    assert found["fwd"].roofline.flop_per_byte is None  # what it moves is not known either
    assert found["bwd"].memory is not None


def test_a_peak_of_zero_is_none(tmp_path: Path) -> None:
    assert by_pass(imported(tmp_path, result(**{"peak_memory_usage(MB)": 0.0})))["fwd_bwd"].memory is None


def test_a_pass_that_was_not_measured_has_no_row(tmp_path: Path) -> None:
    without = result(backward={"time(s)": None, "FLOPS(TFLOPs/s)": None})
    del without["forward_backward"]
    assert list(by_pass(imported(tmp_path, without))) == ["fwd"]


def test_a_rate_that_is_missing_is_reckoned_from_the_time(tmp_path: Path) -> None:
    row = by_pass(imported(tmp_path, result(forward={"time(s)": 0.0006})))["fwd"]
    assert row.tflops == pytest.approx(row.workload.tflops("fwd", 0.6))


def test_who_measured_it_and_on_what_is_said_to_be_unknown(tmp_path: Path) -> None:
    header = imported(tmp_path, result()).header
    assert header is not None and header.imported is not None
    assert header.imported.files == ("benchmark_result.json",)
    assert header.environment.device == "unknown device"
    assert (header.environment.gpu, header.environment.packages) == (None, {})


def test_a_session_takes_its_label_from_the_first_file(tmp_path: Path) -> None:
    assert imported(tmp_path, result()).label == "benchmark_result"


def test_a_list_with_parameters_needs_no_options(tmp_path: Path) -> None:
    cases = [
        PARAMETERS | {"impl": name, "seq_len": seq} for name in ("Pytorch", "Flash2") for seq in (512, 1024)
    ]
    recording = imported(tmp_path, [result() | case for case in cases], AskedShapes())
    assert [(row.implementation, row.workload.seq_q) for row in rows(recording) if row.which == "fwd"] == [
        ("pytorch", 512),
        ("flash2", 512),
        ("pytorch", 1024),
        ("flash2", 1024),
    ]


def test_results_need_not_fill_the_grid(tmp_path: Path) -> None:
    cases = [PARAMETERS, PARAMETERS | {"impl": "Pytorch", "seq_len": 512}]
    recording = imported(tmp_path, [result() | case for case in cases], AskedShapes())
    assert len(rows(recording)) == 6
    assert recording.finished and recording.finished.results == 6


def test_an_implementation_that_is_not_known_keeps_its_name_and_is_never_a_path(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel.py"
    kernel.write_text("raise SystemExit('executed')")
    recording = imported(tmp_path, result() | PARAMETERS | {"impl": f"{kernel}:attention"}, AskedShapes())
    assert rows(recording)[0].implementation == f"{kernel}:attention"


def test_a_rate_that_does_not_fit_the_shape_is_doubted(tmp_path: Path) -> None:
    (doubt,) = imported(tmp_path, result(forward={"time(s)": 0.0006, "FLOPS(TFLOPs/s)": 458.0})).logs
    assert doubt.level == "warning"
    assert "the forward rate of flash2 is of 2.00x the work of batch 32, seq 1024" in doubt.message


def test_halving_the_causal_square_is_no_doubt(tmp_path: Path) -> None:
    asked = AskedShapes(**{**SHAPE.__dict__, "batch_size": (1,), "seq_len": (4,), "emb_dim": (32,)})
    halved = {"time(s)": 1e-6, "FLOPS(TFLOPs/s)": 4 * 32 * 16 / 2 / 1e-6 / 1e12}
    assert imported(tmp_path, {"forward": halved}, asked).logs == []


def test_what_the_file_does_not_say_must_be_given_and_what_to_type_is_said(tmp_path: Path) -> None:
    said = refusal(tmp_path, result(), AskedShapes(impl=("flash2",), causal=(False,)))
    assert said.startswith("'benchmark_result.json' does not say what it measured: --batch-size, --seq-len,")
    assert "--impl" not in said
    assert said.endswith("--batch_size 32 --seq_len 1024 --num_heads 32 --emb_dim 2048 --dtype fp16")


def test_a_list_of_values_is_one_for_each_file(tmp_path: Path) -> None:
    paths = [file_of(tmp_path, result(), name) for name in ("a.json", "b.json")]
    asked = AskedShapes(**{**SHAPE.__dict__, "impl": ("pytorch", "flash2")})
    assert [row.implementation for row in rows(Recording.of(imported_events(paths, asked)))[::3]] == [
        "pytorch",
        "flash2",
    ]
    with pytest.raises(ImportRefused, match="--impl has 3 values for 2 results"):
        imported_events(paths, AskedShapes(**{**SHAPE.__dict__, "impl": ("pytorch", "flash2", "sdpa")}))
    with pytest.raises(ImportRefused, match=r"'a.json' and 'b.json' are both flash2 .*--impl Pytorch,Flash2"):
        imported_events(paths, SHAPE)


def test_an_option_for_what_the_files_say_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, result() | PARAMETERS, AskedShapes(seq_len=(512,)))
    assert said == "--seq-len says what is in the files already: drop it"


def test_emb_dim_and_head_dim_exclude_each_other(tmp_path: Path) -> None:
    assert "not both" in refusal(tmp_path, result(), AskedShapes(emb_dim=(64,), head_dim=(64,)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"forward": 0.5}, 'forward is 0.5, and should be an object with "time(s)"'),
        ({"forward": {"time(s)": "0.0006"}}, 'forward.time(s) is the text "0.0006", and should be a number'),
        ({"forward": {"time(s)": True}}, "forward.time(s) is true, and should be a number"),
        ({"forward": {"time(s)": 0}}, "forward.time(s) is 0, and no call takes no time"),
        ({"backward": {"time(s)": -1}}, "backward.time(s) is -1, and should be from 0 to 1e+06"),
        ({"backward": {"FLOPS(TFLOPs/s)": 3.0}}, "backward has a rate and no time(s)"),
        ({"forward": {"time(s)": float("nan")}}, "forward.time(s) is NaN, which nothing measures"),
        ({"forward": {"time(s)": 1e300}}, "forward.time(s) is 1e+300, which nothing measures"),
        ({"forward": {"time(s)": 10**30}}, "forward.time(s) is 1e+30, which nothing measures"),
        ({"peak_memory_usage(MB)": [1]}, "peak_memory_usage(MB) is a list, and should be a number"),
        ({"peak_memory_usage(MB)": 12}, "q, k and v of batch 32, seq 1024"),
        ({"seq_len": "1024"}, 'seq_len is the text "1024", and should be a whole number'),
        ({"seq_len": 10**12}, "seq_len is 1000000000000, and should be from 1 to 2147483647"),
        ({"num_heads": 0}, "num_heads is 0, and should be from 1"),
        ({"emb_dim": 2047}, "emb_dim is 2047, and should be a multiple of 32 heads"),
        ({"causal": "yes"}, 'causal is the text "yes", and should be true or false'),
        ({"dtype": "fp64"}, 'dtype is the text "fp64", and should be fp16, bf16 or fp32'),
        ({"dtype": "\x1b[31mred"}, 'dtype is the text "red"'),
        ({"impl": 3}, "impl is 3, and should be an implementation's name"),
        ({"window": 64}, "window is 64, and no lab's shape has one"),
        (dict.fromkeys(("forward", "backward", "forward_backward")), "has no time of any pass"),
    ],
)
def test_what_is_no_result_is_refused_by_its_key(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    refused = refusal(tmp_path, result(**PARAMETERS) | changes, AskedShapes())
    assert "'benchmark_result.json'" in refused
    assert said in refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("{", "is not JSON (line 1, column 2:"),
        ("3", "holds 3: a benchmark_result.json is an object, or a list of them"),
        ("[]", "holds an empty list"),
        ("[1]", "result 1 of 'benchmark_result.json' is 1, and should be an object"),
        ('{"a": 1}', 'is no benchmark_result.json: it has "a", and none of forward'),
        ('{"a": ' + "9" * 5000 + "}", "a is inf, which nothing measures"),
        ("[" * 100_000, "nested too deep"),
        ('{"type":"session","schema":[1,4]}\n{"type":"plan"}\n', "is a session already: `attnprof show`"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str, said: str) -> None:
    assert said in refusal(tmp_path, content)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ImportRefused, match="cannot be read"):
        imported_events([path], SHAPE)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ImportRefused, match="no UTF-8 text"):
        imported_events([path], SHAPE)


def test_what_attnprof_wrote_says_by_itself_what_was_measured(tmp_path: Path) -> None:
    measured = hopper()
    back = imported(tmp_path, export(measured, "json"), AskedShapes())
    ours = {
        (row.workload, row.implementation, row.which): row
        for row in rows(measured)
        if row.device_ms is not None
    }
    theirs = {(row.workload, row.implementation, row.which): row for row in rows(back)}
    assert theirs.keys() == ours.keys()
    for key, row in theirs.items():
        before = ours[key].device_ms
        assert before and row.device_ms and row.device_ms.count == 1
        assert row.device_ms.median == pytest.approx(before.median)
        assert row.launch_hidden


def test_of_two_kinds_of_files_the_options_are_for_the_labs(tmp_path: Path) -> None:
    ours = file_of(tmp_path, export(single(), "json"), "ours.json")
    labs = file_of(tmp_path, result(), "labs.json")
    recording = Recording.of(imported_events([ours, labs], SHAPE))
    assert [case.workload.head_dim for case in recording.cases.values()] == [64, 64]
    assert [row.launch_hidden for row in rows(recording) if row.which == "fwd"] == [True, False]


def test_a_training_is_refused_and_its_session_file_named(tmp_path: Path) -> None:
    assert "result 1 of 'benchmark_result.json' is a training" in refusal(
        tmp_path, export(study(), "json"), AskedShapes()
    )


def test_a_shape_that_attnprof_cannot_have_written_is_refused(tmp_path: Path) -> None:
    content = json.loads(export(single(), "json"))
    content["attnprof"]["parameters"]["heads"] = "many"
    assert "attnprof.parameters: Expected `int`, got `str` - at `$.heads`" in refusal(
        tmp_path, content, AskedShapes()
    )


def test_what_is_exported_comes_back_the_same_and_as_unknown_as_it_was(tmp_path: Path) -> None:
    once = imported(tmp_path, result())
    exported = export(once, "json")
    twice = imported(tmp_path, exported, AskedShapes())
    assert json.loads(exported)["forward"] == pytest.approx(result()["forward"])
    assert json.loads(exported)["peak_memory_usage(MB)"] == 900.5
    assert json.loads(exported)["attnprof"]["stopping"] is None
    assert [(row.device_ms, row.tflops, row.memory) for row in rows(twice)] == [
        (row.device_ms, row.tflops, row.memory) for row in rows(once)
    ]
