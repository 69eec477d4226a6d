"""`attnprof run` as it is typed: the real command in a process of its own, on the CPU."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click.testing
import psutil
import pytest
from click.testing import CliRunner

from impls.contract import DeviceInfo
from profiler.events import Event, Failure, Finished, Planned, Result, SessionStarted
from profiler.machine import environment
from profiler.machine.environment import Device
from profiler.machine.nvml import Nvml
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from tests.profiler.fake_nvml import H100, NOT_SUPPORTED, OTHER, FakePynvml
from tui.cli import main

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tui")
FAKE_COMMAND = (sys.executable, str(ROOT / "tests" / "fake_command.py"))
"""The same with a worker that loads no torch and answers at once: for what no measurement has a part in."""
# As small as a shape can be and still have heads.
TINY = ("--device", "cpu", "--batch", "1", "--heads", "2", "--emb-dim", "32")
LONG = (*TINY, "--impl", "pytorch", "--seq", "32", "--repeats", "100000000")
HANG_S = 60.0  # far beyond what anything here takes: only what would never end meets it


@dataclass(frozen=True)
class Done:
    """A command that has ended, and the session that it left in `folder`."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def events(self) -> list[Event]:
        session = read_session(session_of(self.folder))
        assert not session.problems
        return session.events

    def of_type(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def finished(self) -> Finished:
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last


def session_of(folder: Path) -> Path:
    (path,) = (folder / "sessions").glob("*.jsonl")
    return path


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


def attnprof(folder: Path, *args: str, command: Sequence[str] = COMMAND) -> Done:
    done = subprocess.run(
        [*command, *args],
        cwd=folder,
        env=environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, folder)


# A whole run, from the labs' own command line to their plots.


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The labs' command with small numbers."""
    lab = "--batch_size 1 --seq_len 32 --num_heads 2 --emb_dim 32 --impl Pytorch --causal --repeats 3"
    return attnprof(
        tmp_path_factory.mktemp("single"),
        "run",
        *lab.split(),
        *("--device", "cpu", "--output", "benchmark_result.json"),
    )


def test_each_result_is_a_line_and_the_last_says_where_the_session_is(single: Done) -> None:
    lines = single.stdout.splitlines()
    assert single.code == 0
    assert single.stderr == ""
    assert "pytorch; 1 shape (batch 1, seq 32, heads 2, head dim 16, float32, causal)" in lines[0]
    assert [line.split("  ")[:2] for line in lines[1:4]] == [
        ["pytorch", "forward"],
        ["pytorch", "backward"],
        ["pytorch", "forward+backward"],
    ]
    assert all(" ms " in line and " TFLOP/s" in line and " MiB" in line for line in lines[1:4])
    assert lines[5].startswith("ceilings: matmul float32 ")
    assert lines[6:] == [
        "wrote benchmark_result.json",
        f"saved sessions/{session_of(single.folder).name}",
    ]
    assert "\x1b" not in single.stdout


def test_the_session_holds_what_was_typed_measured_and_checked(single: Done) -> None:
    header = single.events[0]
    assert isinstance(header, SessionStarted)
    assert header.command.startswith("attnprof run --batch_size 1 --seq_len 32 ")
    assert "torch" in header.environment.packages
    assert single.finished == Finished(at_s=single.finished.at_s, ending="completed", results=3)
    results = single.of_type(Result)
    assert {result.which: result.device_ms.count for result in results} == {"fwd": 3, "bwd": 3, "fwd_bwd": 3}
    assert all(result.device_ms.median > 0 and result.tflops > 0 and result.memory for result in results)


def test_a_single_configuration_gives_the_labs_own_keys(single: Done) -> None:
    written = json.loads((single.folder / "benchmark_result.json").read_text())
    assert list(written) == ["forward", "backward", "forward_backward", "peak_memory_usage(MB)", "attnprof"]
    medians = {result.which: result.device_ms.median for result in single.of_type(Result)}
    for key, which in (("forward", "fwd"), ("backward", "bwd"), ("forward_backward", "fwd_bwd")):
        assert set(written[key]) == {"time(s)", "FLOPS(TFLOPs/s)"}
        assert written[key]["time(s)"] == pytest.approx(medians[which] / 1000)
        assert written[key]["FLOPS(TFLOPs/s)"] > 0
    assert written["peak_memory_usage(MB)"] > 4 * 32 * 32 * 4 / 2**20  # the inputs at the least
    assert written["attnprof"]["status"] == "ok"
    assert [entry["pass"] for entry in written["attnprof"]["passes"]] == ["fwd", "bwd", "fwd_bwd"]


def test_show_last_shows_it_again(single: Done) -> None:
    shown = attnprof(single.folder, "show", "last")
    assert (shown.code, shown.stderr) == (0, "")
    assert "attnprof run --batch_size 1" in shown.stdout
    assert "pytorch" in shown.stdout
    assert "forward+backward" in shown.stdout


@pytest.mark.parametrize("format_name", ["md", "csv", "json"])
def test_export_last_gives_each_format(single: Done, format_name: str) -> None:
    exported = attnprof(single.folder, "export", "last", "--format", format_name)
    assert (exported.code, exported.stderr) == (0, "")
    if format_name == "json":
        assert exported.stdout == (single.folder / "benchmark_result.json").read_text()
    else:
        assert "pytorch" in exported.stdout


def test_a_variant_is_measured_and_described_by_its_own_name(tmp_path: Path) -> None:
    done = attnprof(
        tmp_path,
        "run",
        *TINY,
        *["--impl", "sdpa-flash,sdpa-cudnn+compile", "--seq", "16", "--quick"],
        command=FAKE_COMMAND,
    )
    assert "sdpa-cudnn+compile  unsupported  needs a CUDA GPU" in done.stdout.replace("PASS  ", "")
    recording = Recording.of(done.events)
    assert recording.catalog is not None
    assert "sdpa-cudnn+compile" in [entry.name for entry in recording.catalog.implementations]


def test_what_a_shape_may_have_besides_is_said_and_saved(tmp_path: Path) -> None:
    asked = "--impl pytorch --seq-dist list:16,9 --softcap 30 --dropout 0.1 --pass fwd --quick"
    done = attnprof(tmp_path, "run", "--device", "cpu", "--heads", "2", "--emb-dim", "32", *asked.split())
    assert "softcap 30" in done.stdout
    assert "dropout 0.1" in done.stdout
    assert "lengths 9..16 (25 tokens)" in done.stdout
    (planned,) = done.of_type(Planned)
    assert planned.plan.workloads[0].lengths == (16, 9)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Two lengths, two implementations, two passes, with a report."""
    folder = tmp_path_factory.mktemp("sweep")
    names = ("--impl", "pytorch", "--impl", "sdpa-flash", "--label", "my sweep")
    return attnprof(
        folder,
        *("run", *TINY, "--seq", "16..32", *names, "--pass", "fwd,bwd", "--repeats", "3", "-o", "report.md"),
    )


def test_a_sweep_measures_every_shape_with_every_implementation(sweep: Done) -> None:
    assert sweep.code == 0
    measured = [(r.workload.seq_q, r.implementation, r.which) for r in sweep.of_type(Result)]
    assert sorted(measured) == [
        (seq, name, which)
        for seq in (16, 32)
        for name in ("pytorch", "sdpa-flash")
        for which in ("bwd", "fwd")
    ]
    assert session_of(sweep.folder).stem.endswith("-my-sweep")


def test_the_report_has_the_environment_and_a_table_for_each_pass(sweep: Done) -> None:
    report = (sweep.folder / "report.md").read_text()
    sections = {part.partition("\n")[0]: part for part in report.split("\n## ")}
    assert {"Environment", "Forward", "Backward"} <= set(sections)
    assert "Forward+backward" not in sections
    for heading in ("Forward", "Backward"):
        table = sections[heading].partition("<details>")[0]
        rows = [line.split("|") for line in table.splitlines() if line.startswith("|")][2:]
        assert [(row[1].strip(), row[2].strip()) for row in rows] == [
            ("16", "pytorch"),
            ("16", "sdpa-flash"),
            ("32", "pytorch"),
            ("32", "sdpa-flash"),
        ]
        speedups = [row[-3].strip() for row in rows]
        assert speedups[::2] == ["baseline", "baseline"]
        assert all(re.fullmatch(r"[\d.]+x", speedup) for speedup in speedups[1::2])


def test_the_report_has_its_charts_beside_it(sweep: Done) -> None:
    assert "wrote report.md, and 2 charts in report-charts\n" in sweep.stdout
    report = (sweep.folder / "report.md").read_text()
    charts = sorted(path.name for path in (sweep.folder / "report-charts").iterdir())
    assert charts == ["attention-memory.svg", "attention-time.svg"]
    assert all(f"](report-charts/{name})" in report for name in charts)


def test_csv_has_a_row_for_each_result_and_units_in_its_header(sweep: Done) -> None:
    exported = attnprof(sweep.folder, "export", "last", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(exported.stdout)))
    assert len(rows) == 8
    assert {"device_ms", "tflops", "working_bytes", "speedup", "message"} <= set(rows[0])
    for row in rows:
        assert row["status"] == row["verdict"] == "ok"
        assert float(row["device_ms_low"]) <= float(row["device_ms"]) <= float(row["device_ms_high"])
        assert bool(row["speedup"]) == (row["implementation"] == "sdpa-flash")


def test_json_of_several_configurations_is_a_list_with_their_parameters(sweep: Done) -> None:
    attnprof(sweep.folder, "export", "last", "-o", "results.json")
    written = json.loads((sweep.folder / "results.json").read_text())
    assert [(entry["impl"], entry["seq_len"]) for entry in written] == [
        ("pytorch", 16),
        ("sdpa-flash", 16),
        ("pytorch", 32),
        ("sdpa-flash", 32),
    ]
    for entry in written:
        assert (entry["batch_size"], entry["num_heads"], entry["emb_dim"]) == (1, 2, 32)
        assert entry["forward"]["time(s)"] > 0
        assert entry["forward_backward"] == {"time(s)": None, "FLOPS(TFLOPs/s)": None}  # not asked for


def test_an_interrupted_sweep_is_gone_on_with_from_the_shape_that_was_lost(tmp_path: Path) -> None:
    options = ("--impl", "pytorch", "--seq", "16,32", "--repeats", "3", "--pass", "fwd")
    whole = attnprof(tmp_path, "run", *TINY, *options, command=FAKE_COMMAND)
    assert whole.code == 0
    path = session_of(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    second = next(n for n, line in enumerate(lines) if '"type":"case"' in line and '"seq_q":32' in line)
    path.write_text("".join(lines[: second + 1]) + lines[second + 1][:20])  # killed in the middle of a line

    done = attnprof(tmp_path, "run", "--resume", "last", command=FAKE_COMMAND)
    assert done.code == 0, done.stderr
    assert session_of(tmp_path) == path
    assert "seq 32" in done.stdout.splitlines()[0]
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:] if "ms" in line] == [
        ["pytorch", "forward"]
    ]
    session = read_session(path)
    assert len(session.problems) == 1  # the torn line
    results = [event for event in session.events if isinstance(event, Result)]
    assert [result.workload.seq_q for result in results] == [16, 32]

    again = attnprof(tmp_path, "run", "--resume", "last", command=FAKE_COMMAND)
    assert again.code == 2
    assert "complete" in again.stderr
    refused = attnprof(tmp_path, "run", "--resume", "last", "--seq", "64")
    assert refused.code == 2
    assert "drop --seq" in refused.stderr


def test_out_of_memory_is_a_result_and_the_sweep_goes_on(tmp_path: Path) -> None:
    done = attnprof(
        tmp_path,
        *(
            "run",
            *TINY,
            "--impl",
            "pytorch",
            "--seq",
            "256k,32",
            "--pass",
            "fwd",
            "--repeats",
            "3",
            "-o",
            "report.md",
        ),
    )
    assert done.code == 0
    (failure,) = done.of_type(Failure)
    scores_bytes = 2 * 2**18 * 2**18 * 4
    assert (failure.kind, failure.requested_bytes) == ("oom", scores_bytes)
    assert {result.workload.seq_q for result in done.of_type(Result)} == {32}
    assert "OOM  512 GiB asked for" in done.stdout
    report = (tmp_path / "report.md").read_text()
    assert "OOM" in report
    assert "512 GiB" in report


def test_quiet_prints_the_sessions_path_and_nothing_else(tmp_path: Path) -> None:
    options = ("--seq", "16", "--impl", "pytorch", "--quiet")
    done = attnprof(tmp_path, "run", *TINY, *options, command=FAKE_COMMAND)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == f"sessions/{session_of(tmp_path).name}\n"


def test_output_to_stdout_is_the_export_alone_with_what_could_not_run_in_it(tmp_path: Path) -> None:
    options = (
        "--impl",
        "pytorch,sdpa-cudnn",
        "--repeats",
        "1",
        "--pass",
        "fwd",
        "--format",
        "csv",
        "-o",
        "-",
    )
    done = attnprof(tmp_path, "run", *TINY, "--seq", "16", *options, command=FAKE_COMMAND)
    assert done.code == 0
    assert done.stderr == f"saved sessions/{session_of(tmp_path).name}\n"
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["implementation"], row["status"], row["message"]) for row in rows] == [
        ("pytorch", "ok", ""),
        ("sdpa-cudnn", "unsupported", "needs a CUDA GPU"),
    ]


# What ends a run early.


@contextmanager
def running(
    folder: Path,
    *args: str,
    stdout: int = subprocess.PIPE,
    under: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> Iterator[subprocess.Popen[str]]:
    """A command while it runs; it and its worker are gone afterwards, whatever the test did."""
    with subprocess.Popen(
        [*under, *command, *args],
        cwd=folder,
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        processes = [psutil.Process(process.pid)]
        try:
            yield process
        finally:
            processes += children_of(process.pid)
            for left in processes:
                if left.is_running() and left.status() != psutil.STATUS_ZOMBIE:
                    left.kill()


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """The first true answer of `what`, asked again and again while the process runs."""
    deadline_s = time.monotonic() + HANG_S
    while not (found := what()):
        assert process.poll() is None, f"it ended early: {process.communicate()}"
        assert time.monotonic() < deadline_s, "it never came to this"
        time.sleep(0.005)
    return found


def has_event(folder: Path, name: str) -> bool:
    """Whether the session in `folder`, which is being written, has come to an event called `name`."""
    return any(f'"type":"{name}"' in path.read_text() for path in (folder / "sessions").glob("*.jsonl"))


def children_of(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def worker_of(process: subprocess.Popen[str]) -> psutil.Process:
    worker: psutil.Process = wait_for(lambda: children_of(process.pid), process)[0]
    return worker


def ended(process: subprocess.Popen[str], folder: Path) -> Done:
    stdout, stderr = process.communicate(timeout=5.0)
    return Done(process.returncode, stdout or "", stderr, folder)


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=5.0)
    assert not alive


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (signal.SIGINT, 130, "Ctrl+C"),
        (signal.SIGTERM, 143, "SIGTERM"),
        (signal.SIGHUP, 129, "the terminal hung up"),
    ],
)
def test_a_signal_closes_the_session_and_leaves_no_process(
    number: signal.Signals, code: int, reason: str, tmp_path: Path
) -> None:
    with running(tmp_path, "run", *LONG, command=FAKE_COMMAND) as process:
        wait_for(lambda: has_event(tmp_path, "samples"), process)
        children = children_of(process.pid)
        assert children
        process.send_signal(number)
        done = ended(process, tmp_path)
        assert_gone(children)
    assert done.code == code
    assert (done.finished.ending, done.finished.reason) == ("interrupted", reason)
    session = f"sessions/{session_of(tmp_path).name}"
    assert done.stderr == f"interrupted: {reason}\ngo on with it: attnprof run --resume {session}\n"
    assert done.stdout.endswith(f"saved sessions/{session_of(tmp_path).name}\n")


def test_a_signal_while_torch_loads_does_so_too(tmp_path: Path) -> None:
    with running(tmp_path, "run", *LONG) as process:
        worker = worker_of(process)
        process.send_signal(signal.SIGTERM)
        done = ended(process, tmp_path)
        assert_gone([worker])
    assert done.code == 143
    assert done.finished.ending == "interrupted"
    assert isinstance(done.events[0], SessionStarted)


def test_a_run_that_was_told_to_ignore_hangups_does(tmp_path: Path) -> None:
    """`nohup attnprof run`: the connection drops, and the run goes on."""
    options = ("--seq", "16", "--impl", "pytorch", "--pass", "fwd", "--repeats", "1")
    ignoring = ("sh", "-c", 'trap "" HUP; exec "$@"', "sh")
    with running(tmp_path, "run", *TINY, *options, under=ignoring) as process:
        worker_of(process)
        process.send_signal(signal.SIGHUP)
        stdout, _ = process.communicate(timeout=HANG_S)
    done = Done(process.returncode, stdout, "", tmp_path)
    assert done.code == 0
    assert done.finished.ending == "completed"


def test_a_worker_outlives_a_killed_attnprof_by_no_more_than_a_moment(tmp_path: Path) -> None:
    with running(tmp_path, "run", *LONG) as process:
        wait_for(lambda: has_event(tmp_path, "case"), process)
        worker = worker_of(process)
        process.kill()
        assert_gone([worker])


def test_a_worker_killed_in_the_middle_of_a_case_costs_that_case_alone(tmp_path: Path) -> None:
    options = ("--impl", "pytorch,sdpa-math", "--seq", "32", "--pass", "fwd", "--repeats", "500")
    with running(tmp_path, "run", *TINY, *options) as process:
        wait_for(lambda: has_event(tmp_path, "case"), process)
        worker_of(process).kill()
        stdout, _ = process.communicate(timeout=HANG_S)
    done = Done(process.returncode, stdout, "", tmp_path)
    assert done.code == 1
    assert done.finished.ending == "completed"
    (failure,) = done.of_type(Failure)
    assert failure.kind == "crashed"
    assert "the worker was killed by SIGKILL" in failure.message
    (result,) = done.of_type(Result)
    assert {failure.implementation, result.implementation} == {"pytorch", "sdpa-math"}
    assert f"{failure.implementation}  crashed  the worker was killed by SIGKILL" in done.stdout


def test_a_reader_that_leaves_ends_the_run(tmp_path: Path) -> None:
    """`attnprof run | head -1`."""
    many = ",".join(map(str, range(1, 200)))
    with running(tmp_path, "run", *TINY, "--impl", "pytorch", "--seq", many, "--repeats", "1") as process:
        assert process.stdout is not None
        assert "199 shapes" in process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=HANG_S)
        assert process.stderr is not None
        stderr = process.stderr.read()
    done = Done(process.returncode, "", stderr, tmp_path)
    assert done.code == 128 + signal.SIGPIPE
    assert done.stderr.startswith("interrupted: the output was closed\n")
    assert done.finished.ending == "interrupted"
    assert 1 <= done.finished.results < 3 * 199


def test_on_a_terminal_a_table_fills_up_and_ctrl_c_leaves_it_with_a_visible_cursor(tmp_path: Path) -> None:
    terminal, slave = pty.openpty()
    try:
        with running(tmp_path, "run", *LONG, stdout=slave) as process:
            os.close(slave)
            wait_for(lambda: has_event(tmp_path, "samples"), process)
            process.send_signal(signal.SIGINT)
            painted = read_all(terminal)
            process.wait(timeout=5.0)
    finally:
        os.close(terminal)
    assert process.returncode == 130
    assert painted.count("\x1b[?25l") == painted.count("\x1b[?25h") == 1
    assert "loading torch" in painted
    assert "0 of 1 cases" in painted
    after = painted.rpartition("\x1b[?25h")[2]
    assert "saved sessions/" in after
    assert "partial" in painted


def read_all(terminal: int) -> str:
    """What is written to a pseudo-terminal until its other end is closed, which Linux tells by EIO."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


# What is printed in place of a run.


def locking(monkeypatch: pytest.MonkeyPatch, device: Device, library: FakePynvml) -> click.testing.Result:
    """`attnprof run --lock-clocks` where `device` is the one and `library` is pynvml."""
    opened = Nvml.open
    monkeypatch.setattr(environment, "resolve_device", lambda option: device)
    monkeypatch.setattr(Nvml, "open", lambda: opened(library))
    return CliRunner().invoke(main, ["run", "--lock-clocks"])


def gpu_of(library: FakePynvml) -> Device:
    gpu = Nvml.open(library).devices()[-1].gpu()
    return Device("cuda:1", DeviceInfo("cuda", gpu.name, gpu.compute_capability), gpu)


def test_lock_clocks_prints_the_command_for_the_gpu_of_the_run_and_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    library = FakePynvml(uuids=(H100, OTHER))
    done = locking(monkeypatch, gpu_of(library), library)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"sudo nvidia-smi -i {OTHER} --lock-gpu-clocks=" in done.stdout
    assert H100 not in done.stdout
    assert library.closed == 1
    assert not list(tmp_path.iterdir())


def test_lock_clocks_without_a_gpu_is_refused_with_the_reason_for_passing_it_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Device(
        "cpu", DeviceInfo("cpu", "Some CPU"), note="NVIDIA H100 is not used: torch is a CPU build"
    )
    done = locking(monkeypatch, device, FakePynvml())
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: --lock-clocks is about a GPU's clocks, and this run would be on the CPU "
        "(NVIDIA H100 is not used: torch is a CPU build)\n"
    )


def test_lock_clocks_of_a_gpu_that_nvml_cannot_tell_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakePynvml()
    unknown = gpu_of(FakePynvml(refuse={"nvmlDeviceGetUUID": NOT_SUPPORTED}))
    done = locking(monkeypatch, unknown, library)
    assert done.exit_code == 2
    assert done.stderr == "Error: NVML does not know which of its GPUs cuda:1 is: see nvidia-smi -L\n"
    assert library.closed == 1


# What is refused.

# Runs each of the commands that it is given in a folder and a process of its own, and says how it exited;
# each says on its stdout at last whether torch was loaded.
REFUSED = """
import json, os, sys
from contextlib import suppress
from tui.cli import main

with suppress(SystemExit):  # loads what all of them need
    main(["run", "--seq", "0"])

def begin(folder):
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)

codes = []
for folder, args in json.load(sys.stdin):
    if process := os.fork():
        codes.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        continue
    begin(folder)
    try:
        main(["run", *args], prog_name="attnprof")
    finally:
        print("torch was loaded" if "torch" in sys.modules else "without torch")
print(json.dumps(codes))
"""

MANY = ",".join(map(str, range(1, 102)))


BAD_INPUT = (
    "--emb-dim 2048 --heads 48",
    "--heads 8 --kv-heads 3",
    "--seq 0",
    "--batch -4",
    "--seq 1k..",
    "--seq ''",
    "--head-dim 64 --emb-dim 512",
    "--impl flash22",
    "--baseline nothing",
    "--dtype fp8",
    "--preset lab7",
    "--preset lab6 --seq 64",
    "--preset lab6 --decode",
    "--decode --pass bwd",
    "--seq-dist uniform:1..8 --seq 64",
    "--seq-dist 1..8",
    "--dropout 1",
    "--softcap 0",
    "--impl pytorch+faster",
    "--impl no_such_file.py:attention",
    "--pass sideways",
    "--repeats 0",
    "--repeats 3 --precision 1%",
    "--precision 200%",
    "--timeout 0",
    "--cooldown 120",
    "--quick --kernels",
    "--memory-limit 12",
    "--lock-clocks --device cpu",
    "--device cuda:99",
    "--device tpu",
    f"--batch {MANY} --heads {MANY}",
    "--sessions a-file/sessions",
    "--output missing/result.json",
    "--output a-folder",
    "--output result.txt",
    "--output ''",
    "--output result.md --format yaml",
    "--format json",
)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What each input comes to, in a folder of its own."""
    folders = [tmp_path_factory.mktemp("refused") for _ in BAD_INPUT]
    for folder in folders:
        (folder / "a-file").touch()
        (folder / "a-folder").mkdir()
    commands = [
        (str(folder), [arg.strip("'") for arg in typed.split()])
        for folder, typed in zip(folders, BAD_INPUT, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED],
        input=json.dumps(commands),
        env=environ(),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    return {
        typed: Done(code, (folder / "stdout").read_text(), (folder / "stderr").read_text(), folder)
        for typed, folder, code in zip(BAD_INPUT, folders, json.loads(done.stdout), strict=True)
    }


@pytest.mark.parametrize("typed", BAD_INPUT)
def test_bad_input_is_one_sentence_before_torch_loads(typed: str, refusals: dict[str, Done]) -> None:
    done = refusals[typed]
    assert done.code == 2
    assert done.stdout == "without torch\n"
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert not list(done.folder.rglob("*.jsonl"))


@pytest.mark.parametrize("args", [("run", "--repeats", "many"), ("run", "--no-such-option"), ("nothing",)])
def test_what_click_refuses_ends_with_a_sentence_too(args: tuple[str, ...], tmp_path: Path) -> None:
    done = attnprof(tmp_path, *args)
    assert done.code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in done.stderr
