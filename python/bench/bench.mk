.PHONY: bench bench-engines bench-growth bench-workflow

# One benchmark at a time, so that they do not compete.
peers := $(basename $(notdir $(wildcard python/bench/engines/*.txt)))
.build/bench/%/ready: python/bench/engines/%.txt
	@$(PYTHON3) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

## bench: all benchmarks, about an hour on an idle machine
bench:
	@for part in engines growth workflow; do $(MAKE) bench-$$part; done

## bench-engines: CmdStan, PyMC, nutpie, NumPyro and stanli on the same model; reports/bench/bench.csv
bench-engines: $(peers:%=.build/bench/%/ready) .build/toolchain.json \
  $(addprefix stan/hierarchical_,centered noncentered marginal)
	@for study in minnesota survey; do $(MAKE) STUDY=$$study data/prepared/$$study.json; done
	@$(PYTHON) -m bench.engines $(patsubst %,data/prepared/%.json,minnesota survey) --programs stan \
	  --toolchain .build/toolchain.json --environments .build/bench -o reports/bench/bench.csv
	@$(PYTHON) -m bench.ratios reports/bench/bench.csv -o reports/bench/bench.svg reports/bench/bench.png

## bench-growth: sampling 20,000 and 2,000,000 houses; reports/bench/growth.csv
bench-growth: stan/hierarchical_marginal
	@$(PYTHON) -m bench.growth $< -o reports/bench/growth.csv

## bench-workflow: make all and edits, compared with compiler and sampler; reports/bench/workflow.csv
bench-workflow: .build/toolchain.json
	@$(PYTHON) -m bench.workflow .build/bench/checkout $< --stages reports/bench/stages.csv -o reports/bench/workflow.csv
