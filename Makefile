# Times and what each is for: CONTRIBUTING.md, "Tests and checks".
.PHONY: help lesson test quick slow docs examples coverage bench build lint types contract check format constraints
.DEFAULT_GOAL := help

# Enough of each room to see within a minute that nothing is broken; no Spark, no browser.
QUICK = tests/surface/test_surface.py tests/unit/formula tests/unit/kernels tests/unit/posterior/test_read_out.py \
	tests/unit/records tests/unit/design tests/unit/test_table.py \
	tests/reference/test_one_way.py tests/cli/test_count_commands.py

# Those of the benchmarks that take seconds and need no peer.
BENCH ?= eight_schools

# Deepest formulas: what traces the lines takes a part of the depth of calls that Python allows.
NOT_TRACED = --deselect tests/unit/formula/test_formula_limits.py::test_within_the_limits

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{ printf "%-12s %s\n", $$1, $$2 }'

check: lint types contract test ## all that must hold: lint, types, contract, test

test: ## all tests but slow ones, then those in a browser where there is chromium
	sh scripts/test

quick: ## some tests of every room, within a minute
	sh scripts/test -m "not slow" $(QUICK)

slow: ## only the tests marked slow: calibration and coverage by simulation
	sh scripts/test -m slow

docs: .venv/installed-docs ## build the documentation site into build/docs; its pages are run, warnings and dead links are errors
	.venv/bin/python -m sphinx -q -W --keep-going -j 2 -b html docs build/docs
	.venv/bin/python scripts/check-links.py build/docs

examples: ## run the Python and the commands of README, docs, help and docstrings
	sh scripts/test tests/surface

coverage: .venv/installed-coverage ## which lines the tests reach (without slow ones)
	.venv/bin/python -m pytest -n 2 --dist worksteal -m "not slow" $(NOT_TRACED) \
		--cov=partialpool --cov-report=term:skip-covered $(TESTS)

bench: ## time the benchmarks named in BENCH beside their peers (default: eight_schools)
	sh scripts/environment
	@echo "benchmarks: $(patsubst benchmarks/%.py,%,$(filter-out %/timing.py,$(wildcard benchmarks/*.py)))"
	for name in $(BENCH); do .venv/bin/python benchmarks/$$name.py || exit 1; done

lesson: ## write lesson, laboratory and "Your file" to docs/lesson, for any web server
	sh scripts/environment
	.venv/bin/partialpool app --export docs/lesson

build: ## sdist and wheel into dist/, the wheel installed bare and used
	sh scripts/check-wheel dist

lint: .venv/installed-lint ## ruff: rules and layout
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/installed-lint ## mypy, strict; and pyright on the Python of README and docs
	.venv/bin/mypy
	.venv/bin/python scripts/check-types-of-docs.py

contract: .venv/installed-lint ## which room imports which
	.venv/bin/lint-imports

format: .venv/installed-lint ## let ruff lay out the code
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

constraints: ## versions of every dependency anew, into constraints.txt (needs uv)
	uv pip compile --universal --all-extras --no-annotate --no-header --quiet pyproject.toml -o constraints.txt

.venv/installed-lint: pyproject.toml constraints.txt
	sh scripts/environment test
	sh scripts/environment lint

.venv/installed-docs: pyproject.toml constraints.txt
	sh scripts/environment docs

.venv/installed-coverage: pyproject.toml constraints.txt
	sh scripts/environment test
	sh scripts/environment coverage
