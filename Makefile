# make run | check | test | test-loaded | install | bench | demo | docs | wheel | images | audit | format
# (see CONTRIBUTING.md)
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
AREA   ?=
# Processes that run tests at the same time, most of which wait for calls; PHONES of them begin with those with real
# phones, which wait most of all. Fewer of them leave cores idle for most of the suite.
WORKERS ?= 8
PHONES  ?= 4
# `make test PROGRAMS=--all-programs` fails where a program of tests/programs.py is not installed.
PROGRAMS ?=
# Processes that tests start would compile everything again each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo check test test-loaded lint compiled fast suite again fuzz-fast search-turns install bench docs wheel images audit format lock clean

run: install
	$(BIN)/sipgw serve

demo: install
	$(BIN)/sipgw demo

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock requirements-build.lock setup.py $(wildcard media/fast/*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	  || { echo "sipgw needs Python 3.11 to 3.14; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "This Python has no venv. Install it with: sudo apt-get install -y python3-venv"; exit 1; }
	@echo "Installing sipgw into $(VENV) (a download of 280 MB, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
	@echo "The command is $(BIN)/sipgw; 'source $(BIN)/activate' makes it plain 'sipgw' in this terminal."

# What the tests need on top: linters, Playwright, pyVoIP.
$(VENV)/.tested: $(VENV)/.installed requirements-test.lock
	@echo "Installing the test tools ..."
	@$(PIP) --require-hashes -r requirements-test.lock
	@touch $@

# After each change. It needs no programs of others and no network. The goal is two minutes on two quiet cores; it says
# how long it took. mypy, which a change of one file costs seconds, runs beside the tests.
check: $(VENV)/.tested
	@began=$$(date +%s); $(MAKE) --no-print-directory --jobs 2 lint fast && \
	  echo "make check took $$(( $$(date +%s) - began )) s"

test: $(VENV)/.tested
	@$(MAKE) --no-print-directory --jobs 2 lint compiled
	@$(MAKE) --no-print-directory suite

lint: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# pytest compiles the tests when it collects them. Once, beside mypy, instead of once in each worker of the suite.
compiled: $(VENV)/.tested
	@$(BIN)/python -m pytest --collect-only --ignore tests/images >/dev/null

# Four processes, because a third of the time of these tests is waiting for real processes and connections.
fast: $(VENV)/.tested
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile -m "not slow and not programs" --hypothesis-profile few \
	  --ignore tests/interop --ignore tests/images --durations 10 --durations-min 1

suite: $(VENV)/.tested
	@$(BIN)/python -m pytest --cache-clear --numprocesses $(WORKERS) --phones $(PHONES) --dist loadfile \
	  --no-loadscope-reorder $(PROGRAMS) --ignore tests/images \
	  || if [ $$? = 1 ]; then $(MAKE) --no-print-directory again; else exit 2; fi

# Programs of others have time limits of their own, which a busy machine breaks and no patience of ours extends. So the
# tests that failed are tried once more, alone; the output of both runs stays. Of those that need only our own code three
# at most are: they are named, and whoever sees the name mends the test or what it has found.
AGAIN := $(BIN)/python -m pytest --last-failed --last-failed-no-failures none $(PROGRAMS)
again: $(VENV)/.tested
	@own=$$($(AGAIN) --collect-only -m "not programs" | grep '::' || true); \
	  [ $$(printf '%s\n' "$$own" | wc -l) -le 3 ] || { echo "More than three tests failed that need no program of others: nothing is tried again."; exit 1; }; \
	  [ -z "$$own" ] || printf 'UNSTABLE, to be mended if it passes now:\n%s\n' "$$own"
	@echo "TRIED AGAIN, alone: the failed tests"
	@$(AGAIN) --verbose

# The same tests while three other programs want the cores: what fails only here depends on the machine's time.
test-loaded: $(VENV)/.tested
	@trap 'kill $$busy' EXIT; busy=; \
	for each in 1 2 3; do $(BIN)/python -c 'while True: pass' & busy="$$busy $$!"; done; \
	$(MAKE) suite

bench: $(VENV)/.tested
	$(BIN)/python -m tests.bench $(AREA)

# The packet path in C with sanitizers, against the one in Python, with random packets and orders. With malloc each object
# of Python has memory of its own, so that the sanitizer sees what is written beyond its end or used after it.
SECONDS ?= 60
fuzz-fast: $(VENV)/.tested
	CFLAGS="-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all" LDFLAGS="-fsanitize=address,undefined" \
	  $(BIN)/python setup.py --quiet build_ext --force --build-temp build/fuzz --build-lib build/fuzz
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
	  $(BIN)/python -m tests.media.fuzz_fast $(SECONDS) build/fuzz/media/fast/_fast.abi3.so

# Random calls against the turn machine; the first one in which a word is lost or a state does not end is printed, shortened.
MINUTES ?= 5
search-turns: $(VENV)/.tested
	$(BIN)/python -m tests.agent.turn_taking.search --minutes $(MINUTES)

# The site, in build/site.
docs: $(VENV)/.tested
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# Source archive and wheel, in dist/, with the tools of requirements-test.lock: the wheel is made from the archive. `.ci/try_wheel.py`
# installs it elsewhere and holds the demo's conversation.
wheel: $(VENV)/.tested
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) $(BIN)/python -m build --no-isolation --outdir dist

# The images of docker/, built from Debian's packages where no registry is reached, and run. As root, ten to fifteen minutes; needs
# podman, runc, mmdebstrap and baresip of Debian.
images: $(VENV)/.tested
	@$(PIP) "podman-compose>=1.6,<2"
	$(BIN)/python -m tests.images

# Known weaknesses of what is installed (where PyPI's database can be reached), and the list of it as CycloneDX.
audit: $(VENV)/.tested
	$(BIN)/pip-audit --requirement requirements.lock --requirement requirements-build.lock --disable-pip --progress-spinner off
	@mkdir -p build
	cat requirements.lock requirements-build.lock | $(BIN)/cyclonedx-py requirements - --output-reproducible --output-file build/sbom.json

format: $(VENV)/.tested
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Rewrites the lock files from pyproject.toml: exact versions with hashes for every supported Python. requirements-build.lock
# has the tools of [build-system], with which images and `make install` build sipgw.
COMPILE := $(BIN)/uv pip compile --universal --no-strip-extras --python-version 3.11 --generate-hashes --quiet --upgrade
LOCK := $(COMPILE) pyproject.toml --extra local --extra webrtc --extra postgresql --extra redis

lock: $(VENV)/.tested
	$(LOCK) --output-file requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(COMPILE) - --constraint requirements.lock --output-file requirements-build.lock
	$(LOCK) --extra test --extra interop --constraint requirements.lock --constraint requirements-build.lock --output-file requirements-test.lock

clean:
	rm -rf $(VENV) build dist *.egg-info
