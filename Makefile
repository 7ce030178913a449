# Every target makes the virtual environment that it needs; nothing else has to be installed first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A CPU build of torch is enough. Where the plain name would fetch a build for GPUs, install the CPU
# build into $(VENV) first, or set TORCH to what pip should install.
TORCH ?= torch==2.13.0
OUTPUT ?= report
SOURCES := pyproject.toml constraints.txt
# What pip installs is pinned, so that a fresh machine gets what was tested. /dev/null pins nothing.
CONSTRAINTS ?= constraints.txt
# An isolated build would fetch the newest setuptools; the one in $(VENV) is pinned like the rest.
# -qq: errors only, and none of setuptools' pages of warnings about any editable installation.
INSTALL := $(BIN)/python -m pip install -qq --no-build-isolation -c $(CONSTRAINTS)
# The library that reproduce-energy measures on; the tests' own generic one unless you give yours.
LIBERTY ?= tests/data/tiny.lib

.PHONY: report test test-all lint types docs bench reproduce reproduce-energy constraints clean

report: $(VENV)/.core.stamp
	$(BIN)/bitnet-hw report bitnet-b1.58-2b4t -o $(OUTPUT) --force

test: $(VENV)/.dev.stamp
	$(BIN)/pytest -n auto -m "not slow and not tools"

test-all: $(VENV)/.all.stamp
	$(BIN)/pytest -n auto

lint: $(VENV)/.dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) types

types: $(VENV)/.dev.stamp
# bitnet_hw/rtl and bitnet_hw/energy_tables are links to the folders at the top, which mypy follows.
	$(BIN)/mypy
	$(BIN)/mypy analyses benchmarks

# The README's example and commands run, and the links of every page lead somewhere.
docs: $(VENV)/.dev.stamp
	$(BIN)/pytest tests/test_readme.py tests/test_docs_links.py

bench: $(VENV)/.all.stamp
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

reproduce: $(VENV)/.bench.stamp
	$(BIN)/python analyses/reproduce.py -o reproduced --force

# docs/measure.md says what a library must have, and where open ones are.
reproduce-energy: $(VENV)/.all.stamp
	$(BIN)/python analyses/energy/sweep.py --liberty "$(LIBERTY)" -o reproduced-energy

# The newest of everything that the targets install, on the oldest Python supported, whose releases
# the later ones can install too. A local suffix (+cpu) names one index's build, so it goes.
constraints:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Pins are made on Python 3.11; set PYTHON")'
	rm -rf build/constraints
	$(MAKE) VENV=build/constraints CONSTRAINTS=/dev/null build/constraints/.all.stamp build/constraints/.sim.stamp
	build/constraints/bin/pip check
	echo '# Written by `make constraints`, on Linux and x86_64. CONTRIBUTING.md says when.' > build/constraints/pins
	build/constraints/bin/pip list --format=freeze --exclude-editable | sed 's/+.*//' >> build/constraints/pins
	mv build/constraints/pins constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.build.stamp: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install -qq --upgrade -c $(CONSTRAINTS) pip setuptools
	touch $@

$(VENV)/.core.stamp: $(VENV)/.build.stamp
	$(INSTALL) -e .
	touch $@

$(VENV)/.dev.stamp: $(VENV)/.build.stamp
	$(INSTALL) -e '.[dev]'
	touch $@

$(VENV)/.bench.stamp: $(VENV)/.build.stamp
	$(INSTALL) -e '.[bench,fit]'
	touch $@

$(VENV)/.sim.stamp: $(VENV)/.build.stamp
	$(INSTALL) -e '.[sim]'
	touch $@

# torch first: a range that it satisfies then fetches no other build.
$(VENV)/.all.stamp: $(VENV)/.build.stamp
	$(INSTALL) '$(TORCH)'
	$(INSTALL) -e '.[dev,torch,gguf,fpga,bench]'
	touch $@
