"""What a device says about itself."""

from __future__ import annotations

import pytest

from benchmarks.android import facts


@pytest.mark.parametrize(
    "text",
    ["        TOTAL PSS:    93,238            TOTAL RSS:   140,000", "        TOTAL    93238    90000     2000"],
)
def test_memory_by_dumpsys_where_the_process_hides_its_own(phones, adb, text):
    device = phones()
    (device.folder / "dumpsys/meminfo").write_text(f"Applications Memory Usage (in Kilobytes):\n{text}\n")
    assert facts.pss_bytes(adb.device(device.serial), "999999999") == 93238 * 1024


@pytest.mark.parametrize(("text", "milliamperes"), [("-612000", 612), ("612", 612), ("", None), ("n/a", None)])
def test_current_in_either_unit_and_sign(phones, adb, text, milliamperes):
    device = phones()
    (device.folder / "sys/class/power_supply/battery/current_now").write_text(f"{text}\n")
    assert facts.current_ma(adb.device(device.serial)) == milliamperes
