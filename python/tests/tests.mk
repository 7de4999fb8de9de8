.PHONY: test stress lint clean

# A current Stan, for tests alone: those that need it are skipped where it cannot be had.
.build/current_stan/ready: python/tests/current_stan/requirements.txt | $(environment)
	-@rm -rf $(@D) && $(PYTHON) -I -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
	  --ignore-requires-python --python-version 3.13 --platform manylinux2014_x86_64 --target $(@D) -r $< && touch $@

## test: the test suite; what continuous integration runs
test: $(PROGRAMS:%=stan/%) .build/current_stan/ready
	@$(PYTHON) -m pytest

## stress: damaged input, faults and unsafe input, as a table: reports/stress.csv
stress: $(PROGRAMS:%=stan/%) .build/toolchain.json
	@PYTHONPATH=python:python/tests $(PYTHON) -m stress -o reports/stress.csv

## lint: style and types of the Python code, and stanc on every program
lint: $(environment) .build/toolchain.json
	@$(PYTHON) -m ruff check python
	@$(PYTHON) -m ruff format --check python
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pooling.programs.lint .build/toolchain.json stan

## clean: remove what was generated, which is what git ignores
clean:
	@git clean -dfXq
