# Needs make and Python 3.11 or newer. PYTHON= chooses the interpreter, VENV= the
# virtual environment, PYREPLCTL_PG_BIN= another PostgreSQL than the bundled one;
# PYREPLCTL_COURSE_PG_BIN= another one for the tests' course databases.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 3
BIN := $(VENV)/bin
# Kept in the environment, but named after the tree that was installed into it: two
# clones that share a VENV= each install themselves.
STAMP = $(VENV)/.installed$(subst /,-,$(CURDIR))

.PHONY: help venv lint test test-long expected demo audit replay chaos model verify-load bench bench-peers bench-verify
.PHONY: references matrix release-list release-fixture clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' Makefile

venv: $(STAMP) ## create the virtual environment, or bring it up to date

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11+")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,test]'
	rm -f $(VENV)/.installed-*
	touch $@

lint: $(STAMP) ## check style, types and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(STAMP) ## look for known vulnerabilities in what we depend on
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[audit]'
	$(BIN)/python -m tests.audit

test: $(STAMP) ## run the tests on embedded servers (ARGS= for pytest, JOBS= at once)
	$(BIN)/python -m pytest -n $(JOBS) -m 'not long' $(ARGS)

test-long: $(STAMP) ## run those that take long, too: all of them
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

references: $(STAMP) ## write docs/reference from the program and the catalog
	PYREPLCTL_WRITE_REFERENCES=1 $(BIN)/python -m pytest -q -p no:xdist tests/cli/test_reference.py

expected: $(STAMP) ## write sql/expected/ again, after a new migration
	$(BIN)/python -m tests.support.tables
	PYREPLCTL_WRITE_EXPECTED=1 $(BIN)/python -m pytest -q tests/integration/trust/test_privileges.py

demo: $(STAMP) ## replicate between three databases, narrated
	$(BIN)/pyreplctl demo

replay: $(STAMP) ## replay real enrollment records
	$(BIN)/python -m tests.real.replay

chaos: $(STAMP) ## write, deliver and break at the same time (SECONDS=, SEED=, ARGS=)
	$(BIN)/python -m tests.failure.chaos --seconds $(or $(SECONDS),600) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

model: $(STAMP) ## search for a history, or types, that end wrong (EXAMPLES=, ARGS= for pytest)
	MODEL_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/failure/test_model.py \
		tests/integration/courses/test_pairs_of_types.py -n $(JOBS) $(ARGS)

verify-load: $(STAMP) ## verify a hundred times while others write (TIMES=)
	PYREPLCTL_VERIFICATIONS=$(or $(TIMES),100) $(BIN)/python -m pytest -s \
		tests/integration/verify/test_verification_under_load.py

bench: $(STAMP) ## measure against no replication and native, 40 minutes (ARGS=)
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(STAMP) ## measure pglogical, Bucardo and others that are installed (ARGS=)
	$(BIN)/python -m benchmarks --peers $(ARGS)

bench-verify: $(STAMP) ## time verify against COPY into md5sum and reladiff (ARGS=)
	$(BIN)/python -m benchmarks.verify $(ARGS)

matrix: $(STAMP) ## test PostgreSQL 15-18 and Python 3.11-3.13, hours (ONLY=, ARGS=)
	$(BIN)/python -m tests.support.matrix $(if $(ONLY),--only '$(ONLY)') $(ARGS)

release-list: $(STAMP) ## list this version's migrations as released
	$(BIN)/python -m tests.support.released

release-fixture: $(STAMP) ## dump an installed and registered pair of this version
	$(BIN)/python -m tests.support.dump_release

clean: ## remove the virtual environment and all caches
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf build dist .matrix
	find pyreplctl tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
