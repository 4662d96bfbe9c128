.PHONY: test lint types contract check format constraints

test:
	sh scripts/test

lint: .venv/installed-lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/installed-lint
	.venv/bin/mypy

contract: .venv/installed-lint
	.venv/bin/lint-imports

check: lint types contract test

format: .venv/installed-lint
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

constraints:
	uv pip compile --universal --all-extras --no-annotate --no-header --quiet pyproject.toml -o constraints.txt

.venv/installed-lint: pyproject.toml constraints.txt
	sh scripts/environment test
	sh scripts/environment lint
