"""The real ``adb``: which devices there are, and what reaches them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.android.adb import Device
from benchmarks.errors import DeviceGoneError
from converters.errors import ExportError
from modnet_export.record.files import sha256
from tests.fakes import phone


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("unauthorized", "is (unauthorized|authorizing)[^$]*accept 'Allow USB debugging"),
        # The real adb waits ten seconds for it.
        pytest.param("offline", "is offline[^$]*reconnect", marks=pytest.mark.slow),
    ],
)
def test_a_device_that_is_not_ready(phones, run, state, message):
    with pytest.raises(ExportError, match=message):
        run(phones(state=state))


def test_two_devices_and_no_serial(phones, adb):
    serials = [phones(back=False).serial, phones(back=False).serial]
    with pytest.raises(ExportError, match="there are 2 devices") as raised:
        adb.device()
    assert all(f"`targets=adb:{serial}`" in str(raised.value) for serial in serials)


def test_no_device(adb):
    with pytest.raises(ExportError, match="there is no Android device"):
        adb.device()
    with pytest.raises(ExportError, match="there is no device nothere"):
        adb.device("nothere")


def test_gone_is_told_from_a_program_that_says_so(adb, phones):
    device = phones(back=False)
    answer = adb.device(device.serial).shell(["sh", "-c", "echo error: device offline >&2; exit 3"], check=False)
    assert answer.code == 3
    device.stop()
    with pytest.raises(DeviceGoneError):
        Device(adb, device.serial).shell(["true"])


@pytest.fixture(scope="module")
def device(adb, tmp_path_factory):
    made = phone.make(tmp_path_factory.mktemp("quoting") / "phone").start()
    adb.run(["connect", made.serial])
    yield Device(adb, made.serial), made
    made.stop()
    adb.run(["disconnect", made.serial])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12)
        | st.sampled_from(["$(touch pwned)", "`id`", "'; rm -rf /", '"', "\\", "a b", "*", "~", "&", "\n", "-n"]),
        min_size=1,
        max_size=4,
    )
)
def test_every_argument_arrives_as_it_is(device, words):
    answer = device[0].shell(["printf", "%s|", *words])
    assert answer.out == "".join(f"{word}|" for word in words)
    assert not list(device[1].folder.rglob("pwned"))


@pytest.mark.parametrize("name", ["a b'c.tflite", "$(touch pwned).tflite", "`touch pwned`;.tflite", "-x.tflite"])
def test_names_of_models_and_what_the_device_says(device, run, model, tmp_path, name):
    hostile = phone.PROPERTIES | {"ro.product.model": "'; touch pwned; '$(touch pwned)"}
    props = "".join(f"[{key}]: [{value}]\n" for key, value in hostile.items())
    (device[1].folder / "props").write_text(props)
    path = tmp_path / name
    path.write_bytes(b"x" * 100)
    result = run(device[1], subjects=[replace(model, path=path, sha256=sha256(path))], profile=True)
    assert result.failures == ()
    assert result.runs[0].conditions["device"] == "Google '; touch pwned; '$(touch pwned)"
    assert not list(device[1].folder.rglob("pwned"))
