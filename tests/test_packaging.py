"""The wheel: what is in it, and that it works away from this folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `pip install` would unpack from a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def attnprof(installed: Path, folder: Path, *args: str, **environ: str) -> str:
    """What the command that the wheel declares prints, run in `folder` from the unpacked wheel alone."""
    code = "import sys, tui.cli; sys.argv[0] = 'attnprof'; tui.cli.main(prog_name='attnprof')"
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def files_of(package: str, root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in (root / package).rglob("*.py")}


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    assert {path.name for path in installed.iterdir()} == {"tui", "profiler", "impls", metadata.name}
    for package in ("tui", "profiler", "impls"):
        assert files_of(package, installed) == files_of(package, ROOT)


def test_the_wheel_says_what_it_is_and_brings_its_licence(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    said = HeaderParser().parsestr((metadata / "METADATA").read_text())
    assert (said["Name"], said["License-Expression"]) == ("attnprof", "MIT")
    assert (metadata / "licenses" / "LICENSE").read_text().startswith("MIT License")
    assert "attnprof = tui.cli:main" in (metadata / "entry_points.txt").read_text()


def test_it_works_from_another_folder(installed: Path, tmp_path: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    version = metadata.name.removeprefix("attnprof-").removesuffix(".dist-info")
    assert attnprof(installed, tmp_path, "--version") == f"attnprof, version {version}\n"
    assert "sdpa-flash" in attnprof(installed, tmp_path, "list", "--device", "cpu")
    where = subprocess.run(
        [sys.executable, "-c", "import tui, profiler, impls; print(tui.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(installed))


@pytest.mark.parametrize(("shell", "sign"), [("bash", "complete -o nosort"), ("zsh", "#compdef attnprof")])
def test_the_shell_completion_script_is_printed(
    shell: str, sign: str, installed: Path, tmp_path: Path
) -> None:
    script = attnprof(installed, tmp_path, _ATTNPROF_COMPLETE=f"{shell}_source")
    assert sign in script
    assert "_ATTNPROF_COMPLETE" in script


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("attnprof ex", ["export"]),
        ("attnprof run --impl pyt", ["pytorch"]),
        ("attnprof run --preset lab5", ["lab5-seq", "lab5-heads", "lab5-emb"]),
        ("attnprof run --kv", ["--kv-heads"]),
    ],
)
def test_names_complete(typed: str, completed: list[str], installed: Path, tmp_path: Path) -> None:
    words = len(typed.split()) - 1
    answer = attnprof(
        installed, tmp_path, _ATTNPROF_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(words)
    )
    assert [line.partition(",")[2] for line in answer.splitlines()] == completed
