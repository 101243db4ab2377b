# Everything a fresh machine needs: `make demo` and `make test` build .venv themselves.
PYTHON ?= python3
BIN := .venv/bin
export KERAS_BACKEND ?= jax

.PHONY: demo test test-all mutate check bench study study-small guide docs format clean

.venv/demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: .venv/demo
	$(BIN)/addcat demo --output addcat-demo.html

# tests compile many small programs and run each for a moment: XLA takes half the time to compile them plainly.
# `make test-all` compiles them as users have them
test: .venv/installed
	XLA_FLAGS="$${XLA_FLAGS-$$($(BIN)/python tests/plainly.py)}" $(BIN)/pytest -n 2 --dist worksteal -m 'not slow'

# in another order each time, which is printed: `-p randomly -p "randomly_seed=..."` repeats it
test-all: .venv/installed
	ADDCAT_DRAWS=14 $(BIN)/pytest -n 2 --dist worksteal -p randomly

mutate: .venv/installed
	$(BIN)/python tests/mutate.py --count 100 --seed 0

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

.venv/bench: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

bench: .venv/bench
	for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

.venv/docs: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html; no network is needed to read it."

.venv/study: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[study]'
	touch $@

# every task on two cores; what has been run is in study/runs and is not run again
study: .venv/study
	$(BIN)/python -m study.run --part 1/2 & first=$$!; $(BIN)/python -m study.run --part 2/2; second=$$?; \
	wait $$first && test $$second = 0
	$(BIN)/python -m study.evidence

# every tenth task anew, against the numbers in study/results.json
study-small: .venv/study
	$(BIN)/python -m study.agreement --small

# docs/answer.md, its figures and the README's lines on the study, from study/results.json
guide: .venv/installed
	$(BIN)/python -m study.guide

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv site .pytest_cache .ruff_cache .hypothesis dist
