from __future__ import annotations

import pytest

from benchmarks.plan import Subject
from benchmarks.results import Run
from modnet_export.images import inputs
from modnet_export.record import manifest


@pytest.fixture(scope="session")
def subject(dist):
    """Makes a subject of a file in ``dist``."""
    artefacts = {item.file: item for item in manifest.load(dist).artefacts}

    def make(file="modnet_fp32.tflite", **ways):
        return Subject.of(artefacts[file], dist, **ways)

    return make


@pytest.fixture(scope="session")
def image_nhwc(dist):
    """The built-in photo as the models of ``dist`` take it."""
    return inputs.builtin()[0].load(manifest.load(dist).size)[0]


@pytest.fixture
def make_run():
    """Makes a finished run of a few steady samples."""

    def make(name="m 1T", samples_ms=(100.0, 101.0, 99.0), **options):
        return Run(name, samples_ms, (), **options)

    return make


@pytest.fixture
def call(capsys):
    """Calls the command line: its exit code, and what it printed."""
    from modnet_export.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, arguments)))
        return int(stop.value.code or 0), capsys.readouterr()

    return run
