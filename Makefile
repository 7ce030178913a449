# Every target makes the virtual environment that it needs; nothing else has to be installed first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A CPU build of torch is enough. Where the plain name would fetch a build for GPUs, install the CPU
# build into $(VENV) first, or set TORCH to what pip should install.
TORCH ?= torch==2.13.0
OUTPUT ?= report
SOURCES := pyproject.toml
# The library that reproduce-energy measures on; the tests' own generic one unless you give yours.
LIBERTY ?= tests/data/tiny.lib

.PHONY: report test test-all lint bench reproduce reproduce-energy clean

report: $(VENV)/.core.stamp
	$(BIN)/bitnet-hw report bitnet-b1.58-2b4t -o $(OUTPUT) --force

test: $(VENV)/.dev.stamp
	$(BIN)/pytest -n auto -m "not slow and not tools"

test-all: $(VENV)/.all.stamp
	$(BIN)/pytest -n auto

lint: $(VENV)/.dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
# bitnet_hw/rtl and bitnet_hw/energy_tables are links to the folders at the top, which mypy follows.
	$(BIN)/mypy
	$(BIN)/mypy analyses benchmarks

bench: $(VENV)/.all.stamp
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

reproduce: $(VENV)/.bench.stamp
	$(BIN)/python analyses/reproduce.py -o reproduced --force

# docs/measure.md says what a library must have, and where open ones are.
reproduce-energy: $(VENV)/.all.stamp
	$(BIN)/python analyses/energy/sweep.py --liberty "$(LIBERTY)" -o reproduced-energy

clean:
	rm -rf $(VENV) build *.egg-info

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet -e .
	touch $@

$(VENV)/.dev.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

$(VENV)/.bench.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet -e '.[bench]'
	touch $@

# torch first: a range that it satisfies then fetches no other build.
$(VENV)/.all.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/pip install --quiet '$(TORCH)'
	$(BIN)/pip install --quiet -e '.[dev,torch,gguf,fpga,bench]'
	touch $@
