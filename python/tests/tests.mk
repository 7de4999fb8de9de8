.PHONY: test stress lint clean

# A current Stan, only for tests, which are skipped if it cannot be installed.
.build/current_stan/ready: python/tests/current_stan/requirements.txt | $(environment)
	-@rm -rf $(@D) && $(PYTHON) -I -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
	  --ignore-requires-python --python-version 3.13 --platform manylinux2014_x86_64 --target $(@D) -r $< && touch $@

# What drives a browser, and rules of accessibility, likewise.
.build/browser/ready: python/tests/browser/requirements.txt | $(environment)
	-@rm -rf $(@D) && $(PYTHON) -I -m pip install --quiet --disable-pip-version-check --no-compile --target $(@D) \
	  -r $< && touch $@
.build/axe/ready: python/tests/browser/package.json
	@rm -rf $(@D) && mkdir -p $(@D) && cp $< $(@D)
	@npm install --prefix $(@D) --silent --ignore-scripts 2>/dev/null && touch $@ || echo 'no axe-core: npm cannot install it'

## test: the test suite; what continuous integration runs
test: $(PROGRAMS:%=stan/%) .build/current_stan/ready .build/browser/ready .build/axe/ready
	@$(PYTHON) -m pytest

## stress: fault injection and invalid input: reports/stress.csv
stress: $(PROGRAMS:%=stan/%) .build/toolchain.json
	@PYTHONPATH=python:python/tests $(PYTHON) -m stress -o reports/stress.csv

## lint: style and types of the Python code, and stanc on every program
lint: $(environment) .build/toolchain.json
	@$(PYTHON) -m ruff check python
	@$(PYTHON) -m ruff format --check python
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pooling.programs.lint .build/toolchain.json stan

## clean: remove all files that git ignores
clean:
	@git clean -dfXq
