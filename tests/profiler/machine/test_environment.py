"""Which device an option stands for, and what is told of the machine."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from profiler.events import Environment, Gpu
from profiler.machine.environment import (
    Device,
    DeviceError,
    cpu_name,
    describe,
    git_commit,
    package_versions,
    resolve_device,
)
from profiler.machine.nvml import Nvml
from profiler.machine.torch_build import TorchBuild, installed_torch, parse_version_file
from tests.profiler.fake_nvml import H100, OTHER, FakePynvml

CUDA_TORCH = TorchBuild("2.11.0+cu130", cuda="13.0")
CPU_TORCH = TorchBuild("2.13.0+cpu")


def resolve(
    option: str,
    *,
    uuids: tuple[str, ...] = (H100,),
    build: TorchBuild = CUDA_TORCH,
    visible: str | None = None,
) -> Device:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return resolve_device(option, environ=environ, build=build, nvml=Nvml.open(FakePynvml(uuids)))


def test_auto_is_the_gpu_where_torch_can_use_it() -> None:
    device = resolve("auto")
    assert device.name == "cuda:0"
    assert device.info.kind == "cuda"
    assert device.info.name == "NVIDIA H100 80GB HBM3"
    assert device.info.compute_capability == (9, 0)
    assert device.gpu is not None
    assert device.gpu.uuid == H100


def test_auto_is_the_cpu_with_a_note_where_torch_cannot_use_the_gpu() -> None:
    device = resolve("auto", build=CPU_TORCH)
    assert (device.name, device.info.kind, device.gpu) == ("cpu", "cpu", None)
    assert device.note is not None
    assert "NVIDIA H100 80GB HBM3 is not used" in device.note
    assert "pytorch.org/get-started" in device.note


def test_auto_is_the_cpu_without_a_word_where_no_gpu_is_shown() -> None:
    assert resolve("auto", visible="").note is None
    assert resolve("auto", visible="").name == "cpu"


def test_cuda_n_counts_what_cuda_sees() -> None:
    device = resolve("cuda:1", uuids=(H100, OTHER), visible="1,0")
    assert device.name == "cuda:1"
    assert device.gpu is not None
    assert device.gpu.uuid == H100


@pytest.mark.parametrize("option", ["CPU", " cpu "])
def test_cpu_is_always_there(option: str) -> None:
    assert resolve(option, uuids=()).name == "cpu"


@pytest.mark.parametrize("option", ["tpu", "cuda:x", "cuda:-1", "cpu:1", "auto:0", ""])
def test_other_names_are_refused(option: str) -> None:
    with pytest.raises(DeviceError, match="say auto, cpu, cuda or cuda:N"):
        resolve(option)


def test_cuda_with_a_cpu_only_torch_names_the_remedy() -> None:
    with pytest.raises(DeviceError, match=r"CPU-only build.*pytorch\.org/get-started"):
        resolve("cuda", build=CPU_TORCH)


def test_cuda_with_a_rocm_torch_says_so() -> None:
    with pytest.raises(DeviceError, match="ROCm"):
        resolve("cuda", build=TorchBuild("2.13.0+rocm7.0", hip="7.0"))


def test_cuda_that_is_hidden_names_the_variable() -> None:
    with pytest.raises(DeviceError, match="CUDA_VISIBLE_DEVICES='-1' leaves CUDA no GPU: unset it"):
        resolve("cuda", visible="-1")


def test_cuda_n_out_of_range_says_what_there_is() -> None:
    with pytest.raises(DeviceError, match=r"no cuda:4; there is cuda:0 to cuda:1$"):
        resolve("cuda:4", uuids=(H100, OTHER))
    with pytest.raises(DeviceError, match=r"no cuda:1; there is only cuda:0 under CUDA_VISIBLE_DEVICES$"):
        resolve("cuda:1", uuids=(H100, OTHER), visible="1")


def test_cuda_with_a_driver_that_finds_no_gpu() -> None:
    with pytest.raises(DeviceError, match="finds no GPU"):
        resolve("cuda", uuids=())


def test_cuda_without_a_driver_says_so_and_auto_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    assert resolve_device("auto", environ={}, build=CUDA_TORCH).name == "cpu"
    with pytest.raises(DeviceError, match=r"no NVIDIA driver.*--device cpu works"):
        resolve_device("cuda", environ={}, build=CUDA_TORCH)


def test_nothing_resolves_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler.machine.environment.installed_torch", lambda: None)
    with pytest.raises(DeviceError, match="torch is not installed: pip install torch"):
        resolve_device("auto")


def test_resolving_and_describing_import_neither_torch_nor_textual() -> None:
    code = (
        "import sys; from profiler.machine.environment import describe, resolve_device;"
        "describe(resolve_device('auto').name); print({'torch', 'textual'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("source", "build"),
    [
        (
            "from typing import Optional\n__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n"
            "hip: Optional[str] = None\n",
            CPU_TORCH,
        ),
        ("__version__ = '2.11.0+cu130'\ncuda: Optional[str] = '13.0'\ngit_version = 'ab'\n", CUDA_TORCH),
        ("__version__ = '2.12.0'\ncuda = None\nhip = '7.0.1'\n", TorchBuild("2.12.0", hip="7.0.1")),
        ("debug = False\n", TorchBuild("unknown")),
    ],
)
def test_torch_s_version_file_is_read_without_running_it(source: str, build: TorchBuild) -> None:
    assert parse_version_file(source) == build


def test_installed_torch_is_the_one_that_pip_knows() -> None:
    build = installed_torch()
    assert build is not None
    assert build.version.partition("+")[0] == package_versions(("torch",))["torch"].partition("+")[0]


def test_describe_tells_of_the_machine() -> None:
    gpu = Gpu(name="NVIDIA H100 80GB HBM3")
    environment = describe("cuda:0", gpu, cuda="13.0", cudnn="9.15.1")
    assert (environment.device, environment.gpu) == ("cuda:0", gpu)
    assert (environment.cuda, environment.cudnn) == ("13.0", "9.15.1")
    assert environment.python == platform.python_version()
    assert environment.cpu
    assert environment.memory_bytes is not None
    assert environment.memory_bytes > 2**28
    assert "torch" in environment.packages
    assert "flash-attn" not in environment.packages or environment.packages["flash-attn"]


def test_describe_names_no_host_user_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, user = "a-telling-host-name", "a-telling-user-name"
    monkeypatch.setattr(platform, "node", lambda: host)
    monkeypatch.setenv("USER", user)
    monkeypatch.setenv("LOGNAME", user)
    assert getpass.getuser() == user
    text = msgspec.json.encode(describe("cpu", folder=tmp_path)).decode()
    assert msgspec.json.decode(text, type=Environment).device == "cpu"
    for secret in (host, user, str(tmp_path), str(Path.cwd()), str(Path.home())):
        assert secret == "/" or secret not in text


def test_cpu_name_is_the_model_s(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Intel(R) Xeon(R)   8480C\nflags\t: avx\n")
    assert cpu_name(cpuinfo) == "Intel(R) Xeon(R) 8480C"


@pytest.mark.parametrize("content", [None, "processor : 0\nCPU implementer : 0x41\n"])
def test_cpu_name_is_the_architecture_where_no_model_is_told(tmp_path: Path, content: str | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if content is not None:
        cpuinfo.write_text(content)
    assert cpu_name(cpuinfo) == (platform.processor() or platform.machine())


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_git_commit_with_and_without_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_commit(tmp_path) is None  # no commit yet
    (tmp_path / "kernel.py").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "tag", "-a", "v1", "-m", "a tag is not a commit")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert git_commit(tmp_path) == head
    (tmp_path / "note.txt").write_text("untracked files are no change\n")
    assert git_commit(tmp_path) == head
    (tmp_path / "kernel.py").write_text("two\n")
    assert git_commit(tmp_path) == f"{head}+changes"


def test_git_commit_is_none_without_a_repository_or_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_a_git_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = tmp_path / "git"
    stuck.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert git_commit(tmp_path, timeout_s=0.2) is None
