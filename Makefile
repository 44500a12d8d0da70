# make run        evolve an optimizer (configs/quickstart.yaml); more options: make run ARGS="--seed 3"
# make test       lint, types, import contract, tests; options for pytest: PYTEST_FLAGS="-k hash"
# make test-all   the same with the long and large variants
# make docs       the documentation as a site, into build/docs/index.html; its links are checked
# make clean      remove the virtual environment and everything built; runs/ stays
# Any of them with another Python (3.11 or later): make run PYTHON=python3.12. This makes the virtual environment
# anew if another Python made it; without PYTHON= the environment that is there is used.

PYTHON ?= python3
ARGS ?=
PYTEST_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
CREATED := $(VENV)/.created$(if $(filter-out file,$(origin PYTHON)),-by-$(subst /,-,$(PYTHON)))
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# All tests share the cores: many wait for processes of their own, and others compute meanwhile. Neighbours stay
# together, since they share what JAX has traced; who has nothing left takes from the others.
TEST := $(BIN)/pytest -n auto --dist worksteal

.DELETE_ON_ERROR:
.PHONY: run test test-all lint docs clean

run: $(VENV)/.installed
	$(BIN)/lion-search run --config quickstart $(ARGS)

test: lint
	$(TEST) $(PYTEST_FLAGS)

test-all: lint
	$(TEST) --large $(PYTEST_FLAGS)

docs: $(VENV)/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet  # the warning is of the theme's successor

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is touched last, so that a step which failed or was interrupted is done again.
$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lion-search needs Python 3.11 or later; '$(PYTHON)' is not. Name one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	touch $(VENV)/.created $@

$(VENV)/.installed: $(CREATED) pyproject.toml constraints.txt
	@echo 'Installing lion-search and what it needs into $(VENV) (a minute or more the first time) ...'
	$(INSTALL) --editable .
	touch $@

# The test extra holds all that a run needs, so both stamps are new.
$(VENV)/.installed-test: $(CREATED) pyproject.toml constraints.txt
	@echo 'Installing lion-search, what it needs and the test tools into $(VENV) (a minute or more the first time) ...'
	$(INSTALL) --editable '.[test]'
	touch $(VENV)/.installed $@
