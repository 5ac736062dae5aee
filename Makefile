# Every target installs what it needs in .venv first. `make PYTHON=/path/to/python3.12 …` chooses the interpreter.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test check install install-dev format reference clean \
	check-format check-lint check-types check-imports check-docs check-slow

help:  ## this list
	@grep -E '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 16

demo: install  ## the whole tandem on phantom micrographs, with a table and a report
	$(BIN)/emgen demo

test: install  ## the test suite; with EMGEN_REAL_DATA set, on real micrographs too
	$(BIN)/python -m pytest -m "not slow" --durations=15

check: check-format check-lint check-types check-imports check-docs check-slow  ## all that is slower or needs more tools

install: $(VENV)/.installed-test  ## .venv with emgen and its tests' needs

install-dev: $(VENV)/.installed-dev  ## .venv with every tool of `make check`

# The stamp is written last, so an interrupted install is taken up again.
$(VENV)/.installed-test: pyproject.toml scripts/venv.sh
	scripts/venv.sh $(VENV) test
	@touch $@

$(VENV)/.installed-dev: pyproject.toml scripts/venv.sh
	scripts/venv.sh $(VENV) dev
	@touch $(VENV)/.installed-test $@

check-format: install-dev
	$(BIN)/ruff format --check .

check-lint: install-dev
	$(BIN)/ruff check .

check-types: install-dev
	$(BIN)/mypy

check-imports: install-dev
	$(BIN)/lint-imports

# Not --quiet: that would hide the warnings from --strict.
check-docs: install-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

check-slow: install-dev
	$(BIN)/python -m pytest -m slow --durations=15

format: install-dev  ## ruff: format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: install-dev  ## rewrites the generated pages of docs/reference
	$(BIN)/python scripts/write_reference.py

clean:  ## removes what was built, .venv too; runs stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
