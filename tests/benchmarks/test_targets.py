"""Words that name targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import Activity, AdbTarget, AndroidSettings, EmulatorTarget, HostTarget, QemuTarget, targets
from converters.errors import ExportError

SETTINGS = AndroidSettings(benchmark_model=Path("tool"))


def parse(*words, settings=SETTINGS, benchmark_model=None):
    return targets.parse(words, settings, benchmark_model, 9)


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("host", HostTarget()),
        ("adb", AdbTarget(None, SETTINGS)),
        ("adb:127.0.0.1:5555", AdbTarget("127.0.0.1:5555", SETTINGS)),
        ("emulator:Pixel_8", EmulatorTarget("Pixel_8", SETTINGS, 9)),
        ("qemu-arm64", QemuTarget()),
        ("qemu-arm64:cortex-a76", QemuTarget("cortex-a76")),
    ],
)
def test_every_word_is_a_target_that_has_its_name(word, target):
    assert parse(word) == [target]
    assert target.name == word


def test_each_target_is_measured_once():
    assert [item.name for item in parse("adb", "host", "adb", "adb:")] == ["adb", "host"]


@pytest.mark.parametrize("word", ["phone", "host:1", "emulator", "emulator:", "ADB", "qemu"])
def test_other_words_are_refused(word):
    with pytest.raises(ExportError, match=f"'{word}' is not a valid target"):
        parse(word)


def test_no_word_at_all_is_refused():
    with pytest.raises(ExportError, match="no target is named"):
        parse()


def test_the_tool_is_looked_for_only_where_it_is_needed(tmp_path):
    bare = AndroidSettings()
    tool = tmp_path / "benchmark_model"
    tool.touch()
    (found,) = parse("adb", settings=bare, benchmark_model=str(tool))
    assert found.settings.benchmark_model == (tool,)
    other = tmp_path / "of,another,ABI"
    other.touch()
    (found,) = parse("adb", settings=bare, benchmark_model=str(other))
    assert found.settings.benchmark_model == (other,)
    other = other.rename(tmp_path / "other")
    (found,) = parse("adb", settings=bare, benchmark_model=f"{tool},{other}")
    assert found.settings.benchmark_model == (tool, other)
    with pytest.raises(ExportError, match="needs benchmark_model"):
        parse("adb", settings=bare)
    parse("host", "qemu-arm64", settings=bare)
    parse("adb", settings=AndroidSettings(app=Activity("p.q", ".R")))


@pytest.mark.parametrize("text", ["com.example/.Bench", "com.example.app/com.example.Bench"])
def test_an_activity_is_written_as_it_was_read(text):
    assert str(Activity.parse(text)) == text


@pytest.mark.parametrize("text", ["", "com.example", "com/.Bench", "com.example/.Bench;reboot", "a.b/.C/.D"])
def test_other_text_is_not_an_activity(text):
    with pytest.raises(ExportError, match="is not the name of an activity"):
        Activity.parse(text)


@pytest.mark.parametrize("options", [{"cores": "big"}, {"benchmark_model": Path("tool")}])
def test_settings_that_an_app_would_ignore_are_refused(options):
    with pytest.raises(ExportError, match=f"`{next(iter(options))}`"):
        AndroidSettings(app=Activity("p.q", ".R"), **options)
