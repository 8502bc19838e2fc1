# make run | check | test | test-loaded | install | bench | demo | docs | images | audit | format
# (see CONTRIBUTING.md)
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
AREA   ?=
# Tests that run at the same time: most of them wait for calls. Calls with real phones need a core each.
WORKERS ?= 4
PHONES  ?= 2
# `make test PROGRAMS=--all-programs` fails where a program of tests/programs.py is not installed.
PROGRAMS ?=
# Processes that tests start would compile everything again each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo check test test-loaded lint fast unit install bench docs images audit format lock clean

run: install
	$(BIN)/sipgw serve

demo: install
	$(BIN)/sipgw demo

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	  || { echo "sipgw needs Python 3.11 to 3.14; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This Python has no venv. Install it with: sudo apt-get install -y python3-venv"; exit 1; }
	@echo "Installing sipgw into $(VENV) (about 250 MB, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps -e .
	@touch $@

# What the tests need on top: linters, Playwright, pyVoIP.
$(VENV)/.tested: $(VENV)/.installed requirements-test.lock
	@echo "Installing the test tools ..."
	@$(PIP) --require-hashes -r requirements-test.lock
	@touch $@

# After each change: two minutes. It needs no programs of others and no network.
check: lint fast

test: lint unit

lint: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fast: $(VENV)/.tested
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow and not programs" \
	  --ignore tests/interop --ignore tests/images

unit: $(VENV)/.tested
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(PROGRAMS) \
	  --ignore tests/interop --ignore tests/images
	$(BIN)/python -m pytest --numprocesses $(PHONES) --dist loadfile $(PROGRAMS) tests/interop

# The same tests while three other programs want the cores: what fails only here depends on the machine's time.
test-loaded: $(VENV)/.tested
	@trap 'kill $$busy' EXIT; busy=; \
	for each in 1 2 3; do $(BIN)/python -c 'while True: pass' & busy="$$busy $$!"; done; \
	$(MAKE) unit

bench: $(VENV)/.tested
	$(BIN)/python -m tests.bench $(AREA)

# The site, in build/site.
docs: $(VENV)/.tested
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# The images of docker/, built from Debian's packages where no registry is reached, and run. As root, ten minutes; needs
# podman, runc, mmdebstrap and baresip of Debian.
images: $(VENV)/.tested
	@$(PIP) "podman-compose>=1.6,<2"
	$(BIN)/python -m tests.images

# Known weaknesses of what is installed (where PyPI's database can be reached), and the list of it as CycloneDX.
audit: $(VENV)/.tested
	$(BIN)/pip-audit --requirement requirements.lock --disable-pip --progress-spinner off
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --output-reproducible --output-file build/sbom.json

format: $(VENV)/.tested
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Rewrites both lock files from pyproject.toml: exact versions with hashes for every supported Python.
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet --upgrade \
  --extra local --extra webrtc --extra postgresql --extra redis

lock: $(VENV)/.tested
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra test --extra interop --constraint requirements.lock --output-file requirements-test.lock

clean:
	rm -rf $(VENV) build *.egg-info
