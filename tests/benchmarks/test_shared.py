"""Rows for the table of devices."""

from __future__ import annotations

from benchmarks import shared
from benchmarks.results import Bench, Parity, Run

CONDITIONS = {
    "device": "Google Pixel | 8",
    "identity": "0123456789ab",
    "soc": "Tensor G3",
    "android": "15 (API 35)",
    "tool": "LiteRT's benchmark_model 0123",
    "artefact": "modnet_fp16.tflite",
    "size": "512x512",
    "threads": 1,
    "delegate": "gpu",
    "ran on": "OpenCL",
    "precision": "fp16 allowed",
}


def test_a_row_says_what_a_reader_must_know_and_no_serial_number():
    runs = (
        Run("a on adb:3704105H8094TU", (10.0, 11.0, 12.0), (), CONDITIONS, marks=("throttled: light", "x")),
        Run("b on adb:3704105H8094TU", (10.0,), (), CONDITIONS),
        Run("c", (10.0,), (), {"cpu": "this machine"}),
    )
    first, second = shared.rows(Bench("s", runs, parity=(Parity(runs[0].name, "photo", 0.1, 0.1, False),)))
    assert first == (
        "| Google Pixel / 8 | Tensor G3, 15 (API 35) | LiteRT's benchmark_model 0123 | modnet_fp16.tflite, 512x512, 1T "
        "| gpu, OpenCL, fp16 allowed | 11.0 | WRONG | throttled: light, x |"
    )
    assert second.endswith("| 10.0 | not compared | none |")
    assert "3704105H8094TU" not in first + second
    assert {row.count("|") for row in (first, second, *shared.heading())} == {len(shared.HEADINGS) + 1}
