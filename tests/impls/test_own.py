"""A function in a file as an implementation: how it is named, what is read off it, when its file is run."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

import impls
from impls import own
from impls.contract import DeviceInfo, Implementation
from impls.own import running
from impls.own.running import BrokenFile, place_of
from profiler.workload import Attention
from tests.shapes import attention

ROOT = Path(__file__).parents[2]
CPU = DeviceInfo("cpu", "a CPU")
H100 = DeviceInfo("cuda", "H100", (9, 0))
A100 = DeviceInfo("cuda", "A100", (8, 0))

PLAIN = '''
def attention(q, k, v, *, causal, scale):
    """Softmax of q k, times v. And more of it.

    At length.
    """
    return q
'''
LEAVE_A_TRACE = """
import pathlib
with pathlib.Path("runs").open("a") as runs:
    runs.write("x")
"""
ECHO = """
def attention(q, k, v, {takes}):
    return {returns}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of files, in which names are typed; what is run there is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "_runs", {})
    monkeypatch.setattr(running, "_siblings", {})
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(name: str, text: str) -> Path:
    path = Path(name).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def found(text: str, name: str = "kernel.py:attention") -> Implementation:
    """The implementation that is found where the file kernel.py holds the text."""
    write("kernel.py", text)
    return impls.find(name)


def refusal(name: str) -> str:
    with pytest.raises(impls.UnknownImplementation) as refused:
        impls.find(name)
    return str(refused.value)


def called(implementation: Implementation, workload: Attention, device: str = "cpu") -> Any:
    """What its function returns, called with 1, 2, 3 for q, k, v."""
    return implementation.prepare(workload, device)(1, 2, 3)  # type: ignore[arg-type]


# Names


def test_a_function_in_a_file_is_an_implementation_named_as_it_was_typed() -> None:
    implementation = found(PLAIN)
    assert implementation.name == "kernel.py:attention"
    assert implementation.label == "attention (kernel.py)"
    assert implementation.summary == "Softmax of q k, times v. And more of it"
    assert implementation.aliases == ()
    assert called(implementation, attention()) == 1


@pytest.mark.parametrize("typed", ["kernel.py", "./kernel.py:attention", "kernel.py:", "././kernel.py"])
def test_two_ways_to_type_a_function_are_one_implementation(typed: str) -> None:
    assert found(PLAIN, typed).name == "kernel.py:attention"


def test_files_of_one_name_in_two_folders_are_two_implementations() -> None:
    for number, folder in enumerate(("a", "b")):
        write(f"{folder}/kernel.py", f"def attention(q, k, v, **options): return {number}")
    first, second = impls.find("a/kernel.py"), impls.find("b/kernel.py")
    assert first.name != second.name
    assert (called(first, attention()), called(second, attention())) == (0, 1)


def test_the_home_folder_may_be_a_tilde(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    write("~/kernel.py", PLAIN)
    implementation = impls.find("~/kernel.py:attention")
    assert implementation.name == "~/kernel.py:attention"
    assert called(implementation, attention()) == 1


def test_a_file_alone_stands_for_its_only_function_that_could_be_called() -> None:
    implementation = found(
        """
        import triton

        @triton.jit
        def kernel(q_ptr, k_ptr, v_ptr, stride, block): ...

        def _helper(q, k, v): ...

        def flash(query, key, value, causal=False, softmax_scale=None): ...
        """,
        "kernel.py",
    )
    assert implementation.name == "kernel.py:flash"


def test_what_is_defined_under_a_condition_is_found() -> None:
    assert found(
        "try:\n    import triton\nexcept ImportError:\n    pass\nelse:\n" + textwrap.indent(PLAIN, "    ")
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("kernle.py:attention", "there is no file kernle.py in {folder}; did you mean kernel.py?"),
        ("sub/xyz.py", "there is no file xyz.py in {folder}/sub; Python files there are other.py"),
        ("sub/othr.py", "there is no file othr.py in {folder}/sub; did you mean sub/other.py?"),
        ("nowhere/kernel.py", "there is no folder nowhere in {folder}"),
        (f"{'k' * 300}.py", f"there is no file {'k' * 300}.py: [Errno 36] File name too long"),
        ("folder.py", "folder.py is a folder: a function of your own is FILE.py:FUNCTION"),
        ("notes.txt:attention", "notes.txt is no Python file: a function of your own is FILE.py:FUNCTION"),
        ("kernel.py:attn", "kernel.py has no function attn; did you mean attention?"),
        ("kernel.py:xyz", "kernel.py has no function xyz; its functions are attention, _private, two, bad"),
        ("kernel.py:two", "kernel.py:two takes (a, b): its first three must be q, k and v"),
        (
            "kernel.py:bad",
            "kernel.py:bad needs block and warps, which no shape has: give it a default value "
            "(there are causal, scale, window, softcap, dropout_p, cu_seqlens, max_seqlen)",
        ),
        (
            "kernel.py:jitted",
            "kernel.py, line 6: jitted is no def, so what it takes cannot be read; "
            "wrap it: def jitted(q, k, v, *, causal, scale)",
        ),
        (
            "sub/other.py",
            "sub/other.py has several functions: say which, sub/other.py:one or sub/other.py:two",
        ),
        (
            "empty.py",
            "empty.py has no function attention(q, k, v, *, causal, scale); it has none at all",
        ),
        ("broken.py", "broken.py, line 2: SyntaxError: '(' was never closed"),
        ("binary.py", "binary.py: SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_there_is(typed: str, said: str, folder: Path) -> None:
    write(
        "kernel.py",
        """
        def attention(q, k, v): ...
        def _private(q, k, v): ...
        def two(a, b): ...
        def bad(q, k, v, block, *, warps, causal): ...
        jitted = compile(attention)
        """,
    )
    write("sub/other.py", "def one(q, k, v): ...\ndef two(q, k, v): ...")
    write("empty.py", "x = 1")
    write("broken.py", "import torch\ntorch.compile(\n")
    write("notes.txt", PLAIN)
    Path("binary.py").write_bytes(b"x = '\0'")
    Path("folder.py").mkdir()
    assert refusal(typed).startswith(said.format(folder=folder))


def test_a_file_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write("kernel.py", PLAIN)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert refusal("kernel.py") == "kernel.py cannot be read: Permission denied"


def test_a_file_is_told_of_without_being_run_and_without_torch(folder: Path) -> None:
    write("kernel.py", "import torch\nopen('was-run', 'w')\n" + PLAIN)
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, impls\n"
            "found = impls.find('kernel.py:attention')\n"
            "print(found.unavailable(impls.DeviceInfo('cpu', 'CPU')), 'torch' in sys.modules)",
        ],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["None", "False"]
    assert not (folder / "was-run").exists()


# What a function takes


@pytest.mark.parametrize(
    ("takes", "returns", "workload", "given"),
    [
        ("causal, scale", "(causal, scale)", {"causal": True, "head_dim": 64}, (True, 0.125)),
        ("is_causal, sm_scale", "(is_causal, sm_scale)", {"head_dim": 16}, (False, 0.25)),
        ("softmax_scale", "softmax_scale", {"head_dim": 16}, 0.25),
        ("window", "window", {"window": 0}, 0),
        ("window=5", "window", {}, None),
        ("softcap, dropout_p", "(softcap, dropout_p)", {}, (None, 0.0)),
        ("block=3, **rest", "block, rest", {}, (3, {"causal": False, "scale": 32**-0.5})),
        ("scale, **rest", "rest", {"window": 0, "causal": True}, {"causal": True, "window": 0}),
        ("is_causal, **rest", "rest", {"causal": True}, {"scale": 32**-0.5}),
        ("cu_seqlens=3, max_seqlen=3", "cu_seqlens, max_seqlen", {}, (None, None)),
    ],
)
def test_a_function_is_given_what_it_names(
    takes: str, returns: str, workload: dict[str, Any], given: object
) -> None:
    implementation = found(ECHO.format(takes=takes, returns=returns))
    assert implementation.supports(attention(**workload), CPU) is None
    assert called(implementation, attention(**workload)) == given


def test_options_may_be_given_by_position_and_q_k_v_called_otherwise() -> None:
    implementation = found("def attention(query, key, value, /, causal=0): return query, key, value, causal")
    assert called(implementation, attention(causal=True)) == (1, 2, 3, True)


def test_what_takes_anything_can_be_called() -> None:
    implementation = found("def attention(*tensors, **options): return tensors, options")
    assert called(implementation, attention()) == ((1, 2, 3), {"causal": False, "scale": 32**-0.5})


@pytest.mark.parametrize(
    ("takes", "workload", "reason"),
    [
        ("scale", {"causal": True}, "takes no causal"),
        ("scale", {}, None),
        ("causal", {"window": 3}, "has no sliding window"),
        ("causal", {"softcap": 30.0}, "has no softcap"),
        ("causal", {"dropout": 0.1}, "has no dropout"),
        ("dropout_p, window, softcap", {"dropout": 0.1, "window": 3, "softcap": 3.0}, None),
        ("**options", {"dropout": 0.1, "window": 3, "softcap": 3.0, "causal": True}, None),
        ("causal", {"seq_q": 1, "decode": True, "causal": True}, None),
        ("causal", {"kv_heads": 1}, None),
        ("causal", {"lengths": (64, 3), "causal": True}, None),
        (
            "causal",
            {"lengths": (64, 3)},
            "has no mask for the padding of a variable-length batch (causal needs none)",
        ),
        ("scale", {"lengths": (64, 3)}, "has no variable-length batches"),
        ("cu_seqlens", {"lengths": (64, 3)}, None),
        (
            "**options",  # a function that does not know of packed tokens would take them for something else
            {"lengths": (64, 3)},
            "has no mask for the padding of a variable-length batch (causal needs none)",
        ),
    ],
)
def test_what_it_takes_decides_what_it_supports(
    takes: str, workload: dict[str, Any], reason: str | None
) -> None:
    implementation = found(ECHO.format(takes=takes, returns="q"))
    assert implementation.supports(attention(**workload), CPU) == reason


def test_packed_tokens_come_with_where_each_sequence_begins() -> None:
    implementation = found(ECHO.format(takes="cu_seqlens, max_seqlen", returns="cu_seqlens, max_seqlen"))
    ragged = attention(lengths=(64, 3))
    assert implementation.layout_of(ragged) == "thd"
    assert implementation.layout_of(attention()) == "bhsd"
    ends, longest = called(implementation, ragged)
    assert torch.equal(ends, torch.tensor([0, 64, 67], dtype=torch.int32))
    assert ends.dtype == torch.int32
    assert longest == 64


def test_the_names_of_flash_attns_own_packed_function_will_do() -> None:
    takes = "cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k"
    implementation = found(
        ECHO.format(takes=takes, returns=f"[*map(len, ({takes[:26]})), max_seqlen_q, max_seqlen_k]")
    )
    assert called(implementation, attention(lengths=(64, 3, 9), batch=3)) == [4, 4, 64, 64]


def test_a_function_of_packed_tokens_alone_gets_every_batch_packed() -> None:
    implementation = found(
        ECHO.format(takes="cu_seqlens", returns="cu_seqlens.tolist()") + "attention.layout = 'thd'"
    )
    assert implementation.layout_of(attention()) == "thd"
    assert called(implementation, attention(batch=3, seq=5)) == [0, 5, 10, 15]
    assert implementation.supports(attention(seq_q=3), CPU) == (
        "takes one cu_seqlens, for q and k alike (seq_q must equal seq_k)"
    )


# What its attributes say


def test_attributes_say_what_a_kernel_is_made_for() -> None:
    implementation = found(
        PLAIN
        + """
attention.label = "Mine"
attention.layout = "bshd"
attention.devices = "cuda"
attention.dtypes = ["float16", "bfloat16"]
attention.min_compute_capability = (9, 0)
attention.min_head_dim, attention._secret = 32, object()
attention.min_head_dim = 32
attention.max_head_dim: int = 128
attention.head_dim_multiple = 32
attention.gqa = False
attention.unequal_causal = False
attention.backward = False
attention.repeats_backward = False
other.layout = "anything"
"""
    )
    assert (implementation.label, implementation.layout) == ("Mine", "bshd")
    assert (implementation.backward, implementation.repeats_backward) == (False, False)
    for workload, device, reason in (
        ({"dtype": "float16"}, CPU, "needs a CUDA GPU"),
        ({"dtype": "float16"}, A100, "needs compute capability 9.0; A100 has 8.0"),
        ({"dtype": "float32"}, H100, "has no float32 (has float16, bfloat16)"),
        ({"dtype": "float16", "head_dim": 16}, H100, "takes head dims from 32 on, not 16"),
        ({"dtype": "float16", "head_dim": 160}, H100, "takes head dims up to 128, not 160"),
        (
            {"dtype": "float16", "head_dim": 48},
            H100,
            "takes head dims that are multiples of 32, not 48",
        ),
        (
            {"dtype": "float16", "kv_heads": 1},
            H100,
            "has no grouped-query attention (kv heads must equal heads)",
        ),
        (
            {"dtype": "float16", "seq_q": 3, "causal": True},
            H100,
            "has no bottom-right causal mask for seq_q != seq_k",
        ),
        ({"dtype": "float16"}, H100, None),
    ):
        assert implementation.supports(attention(**workload), device) == reason


KNOWN = (
    "label, layout, devices, dtypes, min_compute_capability, min_head_dim, max_head_dim, "
    "head_dim_multiple, gqa, unequal_causal, backward, repeats_backward"
)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("attention.layuot = 'bshd'", f"attention.layuot is not known; there are {KNOWN}"),
        ("attention.layout = 'sbhd'", "attention.layout must be 'bhsd', 'bshd' or 'thd', not 'sbhd'"),
        (
            "attention.dtypes = ('fp16',)",
            "attention.dtypes must be some of 'float16', 'bfloat16', 'float32', not ('fp16',)",
        ),
        (
            "attention.max_head_dim = True",
            "attention.max_head_dim must be a whole number from 1 on, not True",
        ),
        ("attention.max_head_dim = 0", "attention.max_head_dim must be a whole number from 1 on, not 0"),
        ("attention.gqa = 0", "attention.gqa must be True or False, not 0"),
        ("attention.label = ' '", "attention.label must be a text, not ' '"),
        ("attention.devices = ()", "attention.devices must be some of 'cuda', 'cpu', not ()"),
        (
            "attention.min_compute_capability = 9.0",
            "attention.min_compute_capability must be two numbers such as (9, 0), not 9.0",
        ),
        (
            "attention.max_head_dim = LARGEST",
            "attention.max_head_dim must be written out as a whole number from 1 on: "
            "the file is read, not run",
        ),
    ],
)
def test_an_attribute_that_says_nothing_is_told_with_what_could_be_said(line: str, said: str) -> None:
    write("kernel.py", "def attention(q, k, v): ...\n" + line)
    assert refusal("kernel.py") == f"kernel.py, line 2: {said}"


def test_packed_tokens_without_their_places_are_refused() -> None:
    write("kernel.py", "def attention(q, k, v): ...\nattention.layout = 'thd'")
    assert refusal("kernel.py") == "kernel.py:attention has the layout 'thd', so it must take cu_seqlens"


# Running the file


def test_a_file_is_run_once_and_again_when_it_has_changed() -> None:
    version = "def attention(q, k, v): return '{}'"
    implementation = found(LEAVE_A_TRACE + version.format("first"))
    assert [called(implementation, attention(seq=seq)) for seq in (16, 32, 64)] == ["first"] * 3
    assert Path("runs").read_text() == "x"
    write("kernel.py", LEAVE_A_TRACE + version.format("other"))
    assert [called(implementation, attention(seq=seq)) for seq in (16, 32)] == ["other"] * 2
    assert Path("runs").read_text() == "xx"


def test_touching_a_file_has_it_run_again_for_what_it_reads_itself() -> None:
    implementation = found(
        "import pathlib\ntext = pathlib.Path('kernel.cu').read_text()\ndef attention(q, k, v): return text"
    )
    write("kernel.cu", "first")
    assert called(implementation, attention()) == "first"
    write("kernel.cu", "other")
    assert called(implementation, attention()) == "first"
    os.utime("kernel.py", (0, 0))
    assert called(implementation, attention()) == "other"


def test_source_is_read_as_it_is_now() -> None:
    """What Triton compiles is the text that inspect finds."""
    implementation = found("def attention(q, k, v): return 'before', attention")
    _, function = called(implementation, attention())
    assert "before" in inspect.getsource(function)
    write("kernel.py", "x = 1\ndef attention(q, k, v): return 'after!', attention")
    _, function = called(implementation, attention())
    assert inspect.getsource(function).strip() == "def attention(q, k, v): return 'after!', attention"
    assert inspect.getmodule(function) is sys.modules[function.__module__]


def test_what_lies_beside_the_file_can_be_imported_and_is_when_it_has_changed() -> None:
    write("helper/__init__.py", "from helper.deep import NUMBER")
    write("helper/deep.py", "NUMBER = 1")
    write("later.py", "NUMBER = 20")
    implementation = found(
        "import helper\ndef attention(q, k, v):\n    import later\n    return helper.NUMBER + later.NUMBER"
    )
    assert called(implementation, attention()) == 21
    write("helper/deep.py", "NUMBER = 2")
    assert called(implementation, attention()) == 22


def test_files_beside_two_kernels_may_have_one_name() -> None:
    for number, folder in enumerate(("a", "b")):
        write(f"{folder}/helper.py", f"NUMBER = {number}")
        write(f"{folder}/kernel.py", "from helper import NUMBER\ndef attention(q, k, v): return NUMBER")
    assert [called(impls.find(f"{folder}/kernel.py"), attention()) for folder in ("a", "b", "a")] == [0, 1, 0]


def test_two_kernels_of_a_folder_share_what_lies_beside_them() -> None:
    write("helper.py", LEAVE_A_TRACE)
    for name in ("one", "two"):
        write(f"{name}.py", "import helper\ndef attention(q, k, v): return helper")
    one, two = (called(impls.find(f"{name}.py"), attention()) for name in ("one", "two"))
    assert one is two
    assert Path("runs").read_text() == "x"


def test_a_file_beside_the_kernel_does_not_take_the_place_of_pythons_own() -> None:
    write("colorsys.py", "MINE = True")
    implementation = found(
        "def attention(q, k, v):\n    import colorsys\n    return hasattr(colorsys, 'MINE')"
    )
    sys.modules.pop("colorsys", None)
    assert called(implementation, attention()) is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_to_be", "kernel.py, line 1: ModuleNotFoundError: No module named 'nowhere_to_be'"),
        ("\nraise ValueError('no')", "kernel.py, line 2: ValueError: no"),
        ("\nimport sys; sys.exit(2)", "kernel.py, line 2: SystemExit: 2"),
        ("raise ValueError", "kernel.py, line 1: ValueError"),
        ("import helper", "helper.py, line 2: SyntaxError: '(' was never closed"),
        ("import other", "other.py, line 1: ZeroDivisionError: division by zero"),
        ("del attention", "kernel.py: once it has run there is no function attention"),
        ("attention = None", "kernel.py: once it has run there is no function attention"),
        (
            "raise RuntimeError('Error building extension x: [1/3] nvcc\\nFAILED: x.cuda.o\\n'"
            "'/root/.cache/x/cuda.cu(12): error: identifier \"foo\" is undefined\\nninja: stopped')",
            'kernel.py, line 1: cuda.cu(12): error: identifier "foo" is undefined',
        ),
        (
            "raise RuntimeError('Error building extension x\\n/tmp/x/main.cpp:3:5: error: no such\\n')",
            "kernel.py, line 1: main.cpp:3:5: error: no such",
        ),
    ],
)
def test_a_file_that_breaks_when_it_is_run_says_where(text: str, said: str) -> None:
    write("helper.py", "\nf(")
    write("other.py", "1 / 0")
    head, line = (text, "") if not text.endswith(("attention", "None")) else ("", text)
    implementation = found(f"{head}\ndef attention(q, k, v): ...\n{line}")
    with pytest.raises(BrokenFile) as broken:
        called(implementation, attention())
    assert str(broken.value) == said


def test_a_file_that_was_broken_runs_once_it_is_mended() -> None:
    implementation = found("1 / 0\ndef attention(q, k, v): ...")
    with pytest.raises(BrokenFile):
        called(implementation, attention())
    write("kernel.py", "def attention(q, k, v): return 'mended'")
    assert called(implementation, attention()) == "mended"


def test_a_file_that_has_gone_is_told() -> None:
    implementation = found(PLAIN)
    Path("kernel.py").unlink()
    with pytest.raises(BrokenFile, match=r"kernel\.py cannot be read any more"):
        called(implementation, attention())


def test_an_error_knows_its_last_place_in_the_users_files() -> None:
    write("helper.py", "import json\n\ndef fail():\n    json.loads('{')")
    implementation = found("import helper\ndef attention(q, k, v):\n    return helper.fail()")
    with pytest.raises(ValueError, match="Expecting") as raised:
        called(implementation, attention())
    assert place_of(raised.value) == "helper.py, line 4"
    with pytest.raises(ZeroDivisionError) as elsewhere:
        _ = 1 / 0
    assert place_of(elsewhere.value) is None


# Packages


def entry_points(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    installed = [EntryPoint(name, value, own.GROUP) for name, value in points.items()]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: installed)


@pytest.fixture
def package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package my_package that is installed, and whose import can be seen."""
    monkeypatch.syspath_prepend(str(folder))
    write("my_package/__init__.py", "import pathlib\npathlib.Path('imported').touch()")
    write(
        "my_package/attn.py", PLAIN + "attention.gqa = False\nattention.label = 'My own'\nbound = attention"
    )
    write("my_package/broken.py", "def (")


@pytest.mark.usefixtures("package")
def test_an_entry_point_is_listed_without_importing_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points(monkeypatch, mine="my_package.attn:attention")
    (mine,) = own.installed()
    assert (mine.name, mine.label, mine.gqa, mine.unavailable(CPU)) == ("mine", "My own", False, None)
    assert not Path("imported").exists()
    assert called(mine, attention()) == 1
    assert Path("imported").exists()
    assert "my_package.attn" in sys.modules


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mine", "my_package.attn:attn", "my_package.attn has no function attn; did you mean attention?"),
        ("mine", "my_package.nowhere:attention", "there is no module my_package.nowhere"),
        ("mine", "no_package:attention", "there is no module no_package"),
        ("mine", "my_package.broken:attention", "my_package.broken, line 1: SyntaxError: invalid syntax"),
        ("mine", "my_package.attn", "it names no function (package.module:function)"),
        ("mine", "my_package.attn:Cls.method", "it names no function (package.module:function)"),
        ("mine", "my_package.attn:bound", "my_package.attn, line 10: bound is no def"),
        ("my:own", "my_package.attn:attention", "nobody could type its name, with one of : / + , or a space"),
    ],
)
def test_a_broken_entry_point_is_listed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    entry_points(monkeypatch, **{name: value, "good": "my_package.attn:attention"})
    broken, good = own.installed()
    assert broken.name == name
    reason = broken.unavailable(CPU)
    assert reason is not None
    assert reason.startswith(f"its entry point {name} = {value} cannot be used: {said}")
    assert broken.supports(attention(), H100) == reason
    assert good.unavailable(CPU) is None


def test_an_entry_point_of_a_compiled_module_is_listed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry_points(monkeypatch, mine="_ctypes:addressof")
    (mine,) = own.installed()
    assert "is no Python source" in str(mine.unavailable(CPU))


def test_broken_metadata_of_other_packages_is_no_reason_to_list_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(group: str) -> None:
        raise ValueError("not enough values to unpack")

    monkeypatch.setattr("importlib.metadata.entry_points", broken)
    assert own.installed() == ()
