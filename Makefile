# Everything that a bare machine needs is set up by the targets themselves: Python 3.11 to 3.13 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := hub connectors schemas tests benchmarks deploy

.PHONY: help setup kafka demo test test-long torture fuzz check tested compiled lint types imports bench checker connector sbom lock clean

help:
	@echo 'make demo      start Kafka, HQ and five demo co-centers; Ctrl-C stops everything'
	@echo '               make demo ONCE=1         end by itself, with a JSON summary as the last line'
	@echo "               make demo ARGS='...'     options of \`hub demo\`, such as --data-dir DIR"
	@echo 'make test      every test but the long ones; real Kafka is fetched once and started by itself'
	@echo 'make test-long the long fault and property runs'
	@echo 'make torture   a network of thirty offices, badly treated for ten minutes, and checked (Linux; docs/torture.md);'
	@echo "               ARGS='--minutes 60', ARGS='--seed 7', ARGS='--defect cursor-early'"
	@echo 'make fuzz      libFuzzer on every parser of foreign bytes, a minute each (Linux);'
	@echo "               ARGS='--seconds 600', ARGS='--in-all 3600 --keep', ARGS='note csv'"
	@echo 'make check     what CI runs: lint, types, import rules, make test'
	@echo 'make bench     the benchmark, peers included; one JSON line at its end;'
	@echo "               ARGS='--only peers', ARGS=--quick (see docs/performance.md)"
	@echo "make checker   dist/cohub-check-….pyz, which checks evidence bundles and needs Python alone; the same bytes"
	@echo "               wherever it is made; ARGS='--platform windows-x86_64' for other computers than this kind"
	@echo 'make connector dist/cohub-connector-….pyz, an office needs nothing else but Python; and the same as a wheel;'
	@echo "               ARGS='--platform windows-x86_64' and so on, as above"
	@echo "make sbom      dist/….cdx.json, which list what the images of hub and connector are made of; the same bytes everywhere"

setup: $(STAMP) kafka

$(STAMP): requirements.lock deploy/pip.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
	  { echo "cohub needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1):" \
	    'install one, or name it with  make PYTHON=/path/to/python3.11'; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: install it (Debian: apt install python3-venv) and run make again"; exit 2; }
	@test -x $(BIN)/python || { echo 'making $(VENV) from requirements.lock (once, about a minute)'; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/pip.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# Kafka's jars (45 MB, checked by hash) are fetched once a user, and its start trained once (ten seconds).
kafka: $(STAMP)
	@$(BIN)/python -m hub.broker.warm

demo: setup
	@$(BIN)/hub demo $(if $(ONCE),--once) $(ARGS)

# In four processes, each a file at a time and in the files' order: those that wait for Kafka come first, and leave a
# core free where there are but two. Every process has a broker of its own. ARGS='-n 0' for a debugger.
# They start some hundreds of processes of ours: none of them compiles what another one has compiled.
# One of the four that dies is not replaced: pytest-xdist 3.8 would deal out files that are done, and wait for ever.
compiled test test-long: export PYTHONDONTWRITEBYTECODE :=
test: setup
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -m 'not long' $(ARGS)

test-long: setup
	$(BIN)/python -m pytest -m long $(ARGS)

torture: setup
	@$(BIN)/python -m tests.torture $(ARGS)

fuzz: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/fuzz/requirements.lock
	@$(BIN)/python -m tests.fuzz $(ARGS)

# mypy has one core, all else the other until it is done. What is wrong with a file is told before the tests begin; what
# mypy finds, while they run.
check: setup
	@$(MAKE) --no-print-directory -j 2 types tested

tested: $(STAMP)
	@$(MAKE) --no-print-directory lint imports compiled
	@$(MAKE) --no-print-directory test

# So that the processes of the tests need not do it once each. What is wrong with a test is told when it runs.
compiled: $(STAMP)
	-@$(BIN)/python -m pytest --collect-only -qq -m 'not long' >/dev/null 2>&1

lint: $(STAMP)
	$(BIN)/ruff format --check $(wildcard $(CODE))
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/deptry .
	$(BIN)/python -m schemas.words

types: $(STAMP)
	$(BIN)/mypy $(wildcard $(CODE))

imports: $(STAMP)
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)

# The libraries are fetched as the lock pins them. Its SHA-256 is recorded in hub/evidence/checkers.json, for bundles.
checker: $(STAMP)
	@$(BIN)/python -m deploy.checker.make $(ARGS)

# Made of the same source and lock, it is the same bytes everywhere: dist/SHA256SUMS is what an office compares.
connector: $(STAMP)
	@$(BIN)/python -m deploy.connector.make $(ARGS)

# Of the locks alone, in CycloneDX's form.
sbom: $(STAMP)
	@$(BIN)/python -m deploy.image.sbom

# The locks have hashes and no addresses. uv is needed for this target alone.
PINNED := --generate-hashes --no-emit-index-url --no-emit-find-links --universal --python-version 3.11
lock:
	uv pip compile pyproject.toml --all-extras $(PINNED) --output-file requirements.lock --quiet
	uv pip compile deploy/pip.in $(PINNED) --output-file deploy/pip.lock --quiet
	uv pip compile benchmarks/peers/requirements.in $(PINNED) --output-file benchmarks/peers/requirements.lock --quiet

clean:
	find $(wildcard $(CODE)) -name __pycache__ -exec rm -rf {} +
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
