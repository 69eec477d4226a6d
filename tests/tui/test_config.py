"""The settings file: what is read, what is refused, and what `attnprof config` prints."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from textual.binding import Binding

from tui.app.actions import actions
from tui.commands.config import as_toml, command
from tui.config import CONFIG_VARIABLE, DEFAULTS, ConfigError, Settings, config_path, load


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings are read from; there is no file yet."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path


def refusal(path: Path, text: str, names: tuple[str, ...] = ()) -> str:
    """Why a file with that text is refused, without its path."""
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path, names)
    said = str(refused.value)
    assert str(path) in said
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


def printed(file: Path) -> Result:
    return CliRunner().invoke(command, [])


def test_without_a_file_everything_has_its_default(file: Path) -> None:
    assert load() == DEFAULTS == Settings()


def test_the_file_is_the_systems_own_unless_the_environment_names_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert config_path() == file
    monkeypatch.delenv(CONFIG_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path() == tmp_path / "attnprof" / "config.toml"


def test_what_is_set_is_taken_and_the_rest_keeps_its_default(file: Path) -> None:
    file.write_text('ascii = true\nrepaints_per_s = 2\nrefine_after_s = 3\nbaseline = "Flash2"\n')
    assert load() == replace(DEFAULTS, ascii=True, repaints_per_s=2, refine_after_s=3, baseline="Flash2")


def test_keys_may_be_written_with_or_without_quotes(file: Path) -> None:
    file.write_text('[keys]\npicker.up = "k"\n"picker.down" = "j,ctrl+n"\n')
    assert load().keys == {"picker.up": "k", "picker.down": "j,ctrl+n"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("them = 1", "there is no setting 'them'; did you mean theme?"),
        ("ascii = 1", "ascii takes true or false, not 1"),
        ('mouse = "no"', "mouse takes true or false, not 'no'"),
        ("repaints_per_s = 31", "repaints_per_s takes a whole number from 1 to 30, not 31"),
        ("repaints_per_s = true", "repaints_per_s takes a whole number from 1 to 30, not true"),
        ("refine_after_s = -1", "refine_after_s takes a number of seconds from 0 to 3600, not -1"),
        ("refine_after_s = nan", "refine_after_s takes a number of seconds from 0 to 3600, not nan"),
        ('sessions = ""', "sessions takes a folder, as text in quotes, not ''"),
        ('keys = "q"', "keys takes a table of actions with their keys, such as quit = \"q,ctrl+q\", not 'q'"),
        ("[keys]\nup = 3", "such as quit = \"q,ctrl+q\", not {'up': 3}"),
        ('[keys]\nup = "a,,b"', "keys takes a table"),
    ],
)
def test_a_refusal_names_the_file_the_key_and_what_is_possible(text: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path / "config.toml", text)


def test_names_that_are_not_known_are_refused_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert "nord" in refusal(path, 'theme = "pink"')
    assert "sdpa-flash" in refusal(path, 'baseline = "flash9"')
    assert refusal(path, '[keys]\npicker.upp = "k"', ("picker.up", "picker.down")) == (
        "[keys] has 'picker.upp', which is no action; did you mean picker.up?"
    )


def test_a_long_value_is_not_repeated_in_full(tmp_path: Path) -> None:
    assert len(refusal(tmp_path / "config.toml", f'mouse = "{"x" * 1000}"')) < 150


def test_what_is_no_toml_or_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    assert "is not TOML" in refusal(path, "theme =")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_the_command_prints_a_file_that_sets_what_is_set(file: Path) -> None:
    text = 'theme = "nord"\nmouse = false\n[keys]\npicker.up = "k"\n'
    file.write_text(text)
    first = printed(file)
    assert first.exit_code == 0
    assert first.output.startswith(f"# {file}\n")
    settings = load()
    file.write_text(first.output)
    assert load() == settings
    assert printed(file).output == first.output


def test_the_command_says_where_the_file_would_be(file: Path) -> None:
    result = printed(file)
    assert result.output.startswith(f"# {file} (there is none: these are the defaults)\n")
    file.write_text(result.output)
    assert load() == DEFAULTS


def test_the_command_explains_every_setting_and_lists_every_action(file: Path) -> None:
    lines = printed(file).output.splitlines()
    for setting in fields(Settings):
        name = "[keys]" if setting.name == "keys" else f"{setting.name} ="
        at = next(index for index, line in enumerate(lines) if line.startswith(name))
        assert lines[at - 1].startswith("# "), setting.name
    assert '# "picker.up" = "up"  # Up' in lines


def test_the_command_refuses_a_bad_file_in_one_sentence(file: Path) -> None:
    file.write_text('[keys]\n"picker.sideways" = "x"\n')
    result = printed(file)
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {file}: [keys] has 'picker.sideways', which is no action")


def test_actions_are_told_apart_by_their_names_alone() -> None:
    found = actions()
    assert {"picker.up", "picker.pick", "picker.little_more"} <= set(found)
    assert list(found) == sorted(found)
    assert all(isinstance(binding, Binding) and binding.id == name for name, binding in found.items())


@given(
    sessions=st.text(min_size=1).filter(str.strip),
    keys=st.dictionaries(st.text(min_size=1), st.sampled_from(["k", "x,ctrl+x"])),
)
def test_whatever_the_settings_hold_is_printed_as_valid_toml(sessions: str, keys: Mapping[str, str]) -> None:
    text = as_toml(replace(DEFAULTS, sessions=sessions, keys=keys), Path("/a\nb.toml"), ())
    read = tomllib.loads(text)
    assert (read["sessions"], read["keys"]) == (sessions, dict(keys))
