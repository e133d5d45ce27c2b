# Two commands: `make train` runs the main job, `make test` the tests; both set up .venv first.
PYTHON ?= python3
VENV := .venv
# What `make test` leaves out takes minutes or needs a GPU; see CONTRIBUTING.md.
TESTS ?= -m "not slow and not gpu"
BIN := $(VENV)/bin
# kcv itself is installed in place; a change of its dependencies sets up again.
READY := $(VENV)/.ready

.PHONY: train test check clean

train: $(READY)
	$(BIN)/kcv train mobilenet_v2

test: $(READY) $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n 2 $(TESTS)

check: $(READY) $(VENV)/.ready-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# torch first: every later requirement then finds it installed and leaves it alone.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "kcv needs Python 3.11 or newer: make PYTHON=python3.12 train"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(shell grep '^torch==' constraints.txt)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

# The references of tests come alone: what torchvision asks for is a torch with CUDA.
$(VENV)/.ready-dev: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		torchvision timm
	touch $@

clean:
	rm -rf $(VENV)
