# Each target sets up what it needs, in a virtual environment of its own, from the tested set in constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check coverage doctest bench bench-loader gpu slow gandlf docs package clean
demo: $(VENV)/ready
	$(BIN)/gandlf-synth demo -o demo_output

test: $(VENV)/ready check doctest coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow" $(MEASURED:%=--ignore=%)

# Tracing slows Python by a third, so that it is measured where a fault shows which line was not run.
MEASURED := tests/unit tests/mathematics
coverage: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow" --cov --cov-report=term:skip-covered $(MEASURED)

doctest: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --doctest-modules -o timeout=60 src

check: $(VENV)/ready
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks.throughput

# At most 7 minutes on one GPU and the cores CORES; nothing where there is none. CSV=FILE adds a training of MINUTES.
MINUTES ?= 3
CORES ?= 0-5
gpu: $(VENV)/ready
	-timeout 140 taskset -c $(CORES) $(BIN)/python -m benchmarks.gpu --seconds 120
	OMP_NUM_THREADS=1 timeout -s INT 280 taskset -c $(CORES) $(BIN)/python -m pytest -v -n 6 --timeout 120 -m gpu tests/gpu
	$(if $(CSV),taskset -c $(CORES) $(BIN)/python -m benchmarks.gpu --cases --csv $(CSV) --minutes $(MINUTES))

slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow
	$(MAKE) gandlf

# Needs a package index once: the bridge's tests run beside GaNDLF in an environment of their own.
gandlf: $(VENV)/ready
	VENV=$(VENV) .ci/gandlf

docs: $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Needs a package index, for the build: a wheel and a source release, tried in an empty environment.
package: $(VENV)/ready
	VENV=$(VENV) .ci/package

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

bench-loader: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.loader

clean:
	rm -rf $(VENV) $(VENV)-gandlf site
