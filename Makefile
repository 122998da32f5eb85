PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint schema setup-gpu-emulation setup-arm64 clean

demo: $(VENV)/installed  ## export the embedded checkpoint, verify it, cut out a portrait; leaves dist/
	$(BIN)/modnet-export demo --out dist

test: $(VENV)/installed-dev  ## the whole suite but the slow peer comparison
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST)

test-slow: $(VENV)/installed-dev  ## the peer comparison, in virtual environments of its own
	$(BIN)/python -m pytest -m slow $(PYTEST)

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

schema: $(VENV)/installed  ## write docs/manifest.schema.json anew
	$(BIN)/python -c "from modnet_export.record.manifest import schema; print(schema(), end='')" > docs/manifest.schema.json

setup-gpu-emulation: $(VENV)/installed  ## a software Vulkan device, for `verify --delegate gpu` without a GPU
	$(BIN)/python -m converters.runtimes.software_vulkan

setup-arm64: $(VENV)/installed  ## LiteRT's arm64 build under QEMU, for `bench --target qemu-arm64`
	$(BIN)/python -m benchmarks.qemu

clean:
	rm -rf $(VENV) dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/installed
