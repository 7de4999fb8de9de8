# From the survey to the report, as a graph. `make help` lists what can be made.
# Prerequisites stand in the order of the arguments, the script first.

STUDY   ?= minnesota#    the study, data/studies/<study>.toml
FROM    ?= per_county#   model at the tail of the shrinkage arrows
TO      ?=#              model at their head; none: every other model, a panel each
SEED    ?=#              seed of the sampler instead of the study's own; results in <study>-seed-<seed>
SCHEDULER ?=#            dask scheduler that refits run on, tcp://...; none: this machine
STALL   ?= 600#          seconds without processor time after which a chain is stopped
SIMS    ?= 200#          simulations of each model for sbc
HOUSES  ?=#              table of houses to predict, a CSV file
MODEL   ?=#              model that predicts them; none: the one that answers in the report
PYTHON3 ?= python3#      Python 3.11 or later, to make the environment with

# What is given becomes part of commands, and make expands it whenever it hands it to one:
# nothing in it may be a command, for make or for the shell. So this stands before all that
# runs one. What make runs before it reads this file (NAME:=, NAME!=, --eval) it cannot see.
override typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
override ours  := STUDY FROM TO SEED SCHEDULER STALL SIMS HOUSES MODEL PYTHON3 PYTHON
override tools := CMDSTAN CXX
override paths := PYTHON% CMDSTAN HOUSES
override marks := $$ ` ' " \ ; & | < > ( ) { } [ ] * ? ! % \#
ifneq ($(findstring e,$(firstword -$(MAKEFLAGS))),)
$(error error: make -e: give variables by name, as in `make STUDY=post`)
endif
$(foreach name,$(filter-out $(ours) $(tools),$(typed)),$(error error: $(name)=$(value $(name)): no such variable; there are $(ours) $(tools)))
# Variables of tools that stand in the environment are not read here.
$(foreach name,$(ours) $(filter $(tools),$(typed)),\
  $(foreach mark,$(marks) $(if $(filter $(paths),$(name)),,~) $(if $(filter $(paths) CXX SCHEDULER STUDY,$(name)),,/),\
  $(if $(findstring $(mark),$(value $(name))),$(error error: $(name)=$(value $(name)): holds $(mark); give a plain name, number or path))))
ifneq ($(words x$(STUDY)x)$(if $(STUDY),,empty)$(findstring /,$(STUDY))$(findstring :,$(STUDY))$(filter .%,$(STUDY)),1)
$(error error: STUDY="$(STUDY)": give the name of one study, as in data/studies/<study>.toml)
endif
$(foreach name,$(ours),$(if $(filter-out 1,$(words x$(value $(name))x)),\
  $(error error: $(name)="$(value $(name))": holds a blank; leave it out)))

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules --no-builtin-variables
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS   += -j$(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 2)
endif
.DELETE_ON_ERROR:
.PHONY: help all report tables figures fits scores sbc test stress lint clean FORCE
.PHONY: bench bench-engines bench-growth bench-workflow

package  := python/pooling
code     := .build/code#  the package without comments and layout, whose edits change nothing
results  := $(STUDY)$(SEED:%=-seed-%)#  another seed has folders of its own
plan     := .build/$(results)
prepared := data/prepared/$(results)
fits     := data/fits/$(results)
reports  := reports/$(results)

# The environment: the active conda environment made from environment.yml, else .venv.
ifeq ($(value CONDA_DEFAULT_ENV),radon-pooling)
environment :=
PYTHON      ?= python
else
environment := .venv/ready
PYTHON      ?= .venv/bin/python
endif
export STALL
export PYTHONPATH   := python
export MPLBACKEND   := Agg
export MPLCONFIGDIR := .build/matplotlib

# What was made, as it was, so that damage is seen; what make itself compares by time.
seals   := .build/seals
sources := $(wildcard data/*.csv stan/*.stan stan/functions/*.stanfunctions reports/report.*)

# A stage is `python -m pooling.<stage> INPUTS... -o OUTPUT`; modules among the
# prerequisites are code, not inputs. In a terminal its line takes the place of a bar's.
stage = $(subst $(code)/,,$(basename $<))
say   = @[[ ! -t 1 ]] || printf '\r\033[K'; printf '%-25s %s\n' $(stage) $@
run   = @SEALS=$(seals) $(PYTHON) -m pooling.$(subst /,.,$(stage))
given = $(filter-out %.py %/packages.json %/chosen.json,$^)

# Two columns, tabs between them.
columns = awk -F'\t' '{ a[NR] = $$1; b[NR] = $$2; if (length($$1) > w) w = length($$1) } END { for (i = 1; i <= NR; i++) printf "%-" w "s  %s\n", a[i], b[i] }'

## help: what can be made
help:
	@sed -n 's/^## //p' Makefile | sed 's/: /\t/' | $(columns)
	@printf '\nmodels:   '; basename -s .stan stan/*.stan | paste -sd' '
	@printf 'figures:  '; basename -s .py $(package)/figures/[a-z]*.py | tr _ - | paste -sd' '
	@printf 'studies:  '; basename -s .toml data/studies/*.toml | paste -sd' '
	@printf 'variables:\n'; sed -n 's/^\([A-Z0-9]*\) *?= *\(.*\)# *\(.*\)/  \1=\2\t\3/p' Makefile | $(columns)

.DEFAULT:
	@$(if $(wildcard $@),:,$(error error: no rule makes $@; `make help` lists what can be made))

# An environment is ready for the files that it was made from, whatever their times.
goals := $(if $(filter default,$(origin MAKECMDGOALS)),$(MAKECMDGOALS),help)
ifneq ($(and $(environment),$(filter-out help clean,$(goals))),)
$(shell { sha256sum --check --status .venv/ready && .venv/bin/python -I -S -c ''; } 2>/dev/null || rm -f .venv/ready)
endif

# A plan that is missing would be reported, and one that cannot be read would stop make
# before it could be made again: an empty one does neither.
PROGRAMS :=
MODELS   :=
HOUSE_TABLE  :=
COUNTY_TABLE :=
ifneq ($(filter-out help clean lint,$(goals)),)
$(shell grep -qsvE '^[A-Z_]+ := ' $(plan)/plan.mk || [[ ! -s $(plan)/plan.mk ]] && mkdir -p $(plan) 2>/dev/null && : > $(plan)/plan.mk)
include $(plan)/plan.mk
endif

figure_names := $(filter-out sbc sbc_coverage,$(patsubst $(package)/figures/%.py,%,$(wildcard $(package)/figures/[a-z]*.py)))
figure_files := $(foreach name,$(subst _,-,$(figure_names)),$(reports)/figures/$(name).svg)
pictures     := $(figure_files) $(figure_files:.svg=.png)
checked      := $(foreach name,estimates.csv diagnostics.json,$(MODELS:%=$(fits)/%/$(name)))
scored       := $(MODELS:%=$(fits)/%/scores.csv)
shaken       := $(foreach name,sensitivity.csv other_priors.csv,$(MODELS:%=$(fits)/%/$(name)))
tables       := $(addprefix $(reports)/tables/,scores.csv frequentist.csv published.csv)

# After an error make would delete the other file of a pair, changed or not. These
# are whole whenever they are there: stages write beside them and rename.
.PRECIOUS: $(prepared).json $(prepared).coords.json $(pictures) $(checked)
.PRECIOUS: $(foreach name,loo.csv sensitivity.csv,$(MODELS:%=$(fits)/%/$(name)))

## all: report, tables and figures of the study
all: report
## report: reports/<study>/index.html
report: $(reports)/index.html
## tables: reports/<study>/tables/*.csv
tables: $(tables)
## figures: reports/<study>/figures/*.svg and *.png
figures: $(pictures)
## fits: posterior and prior of every model, checked
fits: $(checked) $(plan)/gate
## scores: predictions of left-out houses, counties and tenths, by many refits
scores: $(scored)
## <model>: fit and check one model, and say how it went
.PHONY: $(MODELS)
$(MODELS): %: $(fits)/%/diagnostics.json $(fits)/%/estimates.csv
	@$(PYTHON) -m pooling.checking.gate $<
## <figure>-plot: one figure, such as shrinkage-plot

# Set-up.
.venv/ready:
	@$(PYTHON3) $(package)/build/environment.py requirements.lock -o $@

# Once it is there, `plan` brings it up to date: its time is that of its content.
.build/toolchain.json: | $(environment)
	@SEALS=$(seals) $(PYTHON) -m pooling.build.cmdstan -o $@

$(plan)/plan.mk: FORCE | $(environment)
	@SEALS=$(seals) $(PYTHON) -m pooling.workflow.plan data/studies/$(STUDY).toml stan $(SEED:%=--seed %) --arrows "$(FROM) $(TO)" --sources $(sources) $(HOUSE_TABLE) $(COUNTY_TABLE) -o $@

# Data.
$(prepared).json $(prepared).coords.json &: $(code)/inputs/prepare.py $(plan)/data.json $(plan)/priors.json $(HOUSE_TABLE) $(COUNTY_TABLE) $(code)/inputs/tables.py
	$(say)
	$(run) $(given) --study $(STUDY) -o $(prepared).json --coords $(prepared).coords.json

# What figures single out is looked at before anything is fitted; an edit of it fits nothing.
$(plan)/highlights: $(code)/inputs/highlights.py $(plan)/figures.json $(prepared).coords.json
	$(say)
	$(run) $(given) --study data/studies/$(STUDY).toml -o $@

# Programs: the essence changes when the meaning does.
$(PROGRAMS:%=stan/%): stan/%: $(code)/programs/compile.py .build/programs/%.essence .build/toolchain.json $(code)/programs/contract.py
	$(say)
	$(run) $@.stan .build/programs/$*.essence .build/toolchain.json --kept .build/executables/$* -o $@

# Fits. The first rule names their files, so that make never counts them as
# intermediate: one that was deleted is made again.
$(foreach file,fit.nc replications.nc diagnostics.json estimates.csv loo.csv left_out.csv scores.csv sensitivity.csv other_priors.csv,$(PROGRAMS:%=$(fits)/%/$(file))):

$(fits)/%/fit.nc: $(code)/fitting/fit.py stan/% .build/programs/%.essence $(prepared).json $(prepared).coords.json $(plan)/sampler.json .build/toolchain.json .build/packages.json $(addprefix $(code)/,fitting/chains.py fitting/generate.py fitting/sampling.py) | $(plan)/highlights
	$(say)
	$(run) $(given) --kept $(@D)/kept -o $@

$(fits)/%/diagnostics.json $(fits)/%/estimates.csv: $(code)/checking/check.py stan/% $(fits)/%/fit.nc $(prepared).json $(plan)/models.json $(plan)/sampler.json $(addprefix $(code)/,fits/store.py fitting/generate.py checking/likelihood.py fits/limits.py fits/netcdf.py)
	$(say)
	$(run) $(given) -o $(@D)/diagnostics.json --estimates $(@D)/estimates.csv

# All models are fitted before the gate says which failed. What is behind it waits for it, and is
# not made again because it was.
gated = | $(plan)/gate
$(plan)/gate: $(code)/checking/gate.py $(MODELS:%=$(fits)/%/diagnostics.json) $(plan)/chosen.json
	$(say)
	$(run) $(given) -o $@

# Predictions of the survey's own houses, made again from the fit.
$(fits)/%/replications.nc: $(code)/scoring/replicate.py stan/% $(fits)/%/fit.nc $(prepared).json $(plan)/sampler.json $(plan)/scores.json $(addprefix $(code)/,fitting/generate.py fits/store.py fits/netcdf.py) $(gated)
	$(say)
	$(run) $(given) -o $@

# Without some houses: from the fit's draws where they can be weighted, else by refits;
# finished ones are kept in $(fits)/<model>/refits.
on = $(SCHEDULER:%=--scheduler %)
$(fits)/%/loo.csv $(fits)/%/sensitivity.csv: $(code)/scoring/loo.py stan/% .build/programs/%.essence $(fits)/%/fit.nc $(prepared).json $(plan)/sampler.json $(plan)/scores.json .build/toolchain.json $(plan)/priors.json .build/packages.json $(fits)/%/diagnostics.json $(addprefix $(code)/,checking/sensitivity.py scoring/importance.py fitting/generate.py fitting/refits.py checking/check.py fits/limits.py fitting/sampling.py fits/store.py fits/netcdf.py programs/source.py) $(gated)
	$(say)
	$(run) $(given) $(on) -o $(@D)/loo.csv --sensitivity $(@D)/sensitivity.csv

$(fits)/%/left_out.csv: $(code)/scoring/leave_out.py stan/% .build/programs/%.essence $(fits)/%/fit.nc $(prepared).json $(plan)/sampler.json $(plan)/scores.json .build/toolchain.json .build/packages.json $(fits)/%/diagnostics.json $(addprefix $(code)/,scoring/importance.py fitting/generate.py fitting/chains.py scoring/loo.py fitting/refits.py checking/check.py fits/limits.py fitting/sampling.py fits/store.py fits/netcdf.py programs/source.py) $(gated)
	$(say)
	$(run) $(given) $(on) -o $@

$(fits)/%/scores.csv: $(code)/scoring/score.py $(fits)/%/fit.nc $(fits)/%/loo.csv $(fits)/%/left_out.csv $(fits)/%/replications.nc $(fits)/%/diagnostics.json $(addprefix $(code)/,fits/limits.py fits/store.py fits/netcdf.py scoring/standard_errors.py)
	$(say)
	$(run) $(given) -o $@

$(fits)/%/other_priors.csv: $(code)/checking/other_priors.py stan/% $(prepared).json $(plan)/sampler.json $(plan)/other_priors.json $(fits)/%/fit.nc $(fits)/%/diagnostics.json $(addprefix $(code)/,fitting/sampling.py checking/check.py fits/store.py fits/netcdf.py) $(gated)
	$(say)
	$(run) $(given) -o $@

# Figures: code, the study's section, the models; shrinkage may be asked for two models.
# Only some wait for more than the fits: refits without some houses, or under other priors.
drawn_by := $(addprefix $(code)/,figures/_densities.py figures/_drawing.py fits/store.py fits/limits.py fits/netcdf.py figures/_panels.py figures/_soil.py scoring/standard_errors.py figures/_theme.py)
$(foreach name,county_means coverage loo_pit model_comparison pareto_k,$(eval waits_$(name) := loo.csv left_out.csv))
$(foreach name,ppc_county ppc_density ppc_stat prior_predictive,$(eval waits_$(name) := replications.nc))
waits_other_priors := other_priors.csv
only_two  = $(and $(TO),$(filter shrinkage,$1))
shown     = $(if $(call only_two,$1),$(FROM) $(TO),$(MODELS))
chosen    = $(if $(filter shrinkage,$1),--from-model $(FROM) $(TO:%=--to-model %))
beside    = $(if $(filter frequentist,$1),--frequentist $(reports)/tables/frequentist.csv)
define figure
.PHONY: $(subst _,-,$1)-plot
$(subst _,-,$1)-plot: $(reports)/figures/$(subst _,-,$1).svg $(reports)/figures/$(subst _,-,$1).png
$(reports)/figures/$(subst _,-,$1).svg $(reports)/figures/$(subst _,-,$1).png &: $(code)/figures/$1.py $(plan)/figures.json $(patsubst %,$(fits)/%/diagnostics.json,$(call shown,$1)) $(foreach made,$(waits_$1),$(MODELS:%=$(fits)/%/$(made))) $(filter %.csv,$(call beside,$1)) $(drawn_by) $(plan)/chosen.json $(if $(filter shrinkage,$1),$(plan)/arrows) $(if $(call only_two,$1),,$(gated))
	$$(say)
	$$(run) $(plan)/figures.json $(patsubst %,$(fits)/%,$(call shown,$1)) $(call chosen,$1) $(call beside,$1) -o $$(basename $$@).svg $$(basename $$@).png
endef
$(foreach name,$(figure_names),$(eval $(call figure,$(name))))

# Calibration, apart from the report: programs are fitted to houses that they make themselves.
# Finished simulations are kept in $(fits)/<model>/sbc.
simulated  := $(MODELS:%=$(fits)/%/sbc.nc)
judging    := $(addprefix $(code)/,checking/calibration.py checking/uniformity.py)
sbc_tables := $(addprefix $(reports)/tables/,sbc.csv sbc_coverage.csv)
sbc_drawn  := $(foreach name,sbc sbc-coverage,$(reports)/figures/$(name).svg $(reports)/figures/$(name).png)
.PRECIOUS: $(sbc_tables) $(sbc_drawn)

## sbc: calibration of every model by SIMS simulations each: tables and figures, and what fails
sbc: $(sbc_tables) $(sbc_drawn)
## <model>-sbc: calibration of one model
.PHONY: $(MODELS:%=%-sbc)
$(MODELS:%=%-sbc): %-sbc: $(fits)/%/sbc.csv

$(simulated) $(simulated:.nc=.csv):

$(plan)/sims: FORCE
	@[[ "$$(cat $@ 2>/dev/null)" = '$(SIMS)' ]] || SEALS=$(seals) $(PYTHON) -c 'from pooling.build.files import write_if_changed; write_if_changed("$@", "$(SIMS)\n")'

$(fits)/%/sbc.nc: $(code)/checking/sbc.py stan/% .build/programs/%.essence $(prepared).json $(prepared).coords.json $(plan)/sampler.json $(plan)/calibration.json $(plan)/models.json .build/toolchain.json .build/packages.json $(plan)/sims $(addprefix $(code)/,fitting/generate.py fitting/refits.py checking/check.py fitting/sampling.py)
	$(say)
	$(run) $(filter-out %/sims,$(given)) --sims '$(SIMS)' $(on) -o $@

$(fits)/%/sbc.csv $(fits)/%/sbc_coverage.csv: $(code)/checking/calibration.py $(fits)/%/sbc.nc $(code)/checking/uniformity.py $(code)/figures/_theme.py
	$(say)
	$(run) $(given) -o $(@D)/sbc.csv --coverage $(@D)/sbc_coverage.csv

$(sbc_tables) &: $(code)/checking/calibration.py $(simulated) $(code)/checking/uniformity.py $(code)/figures/_theme.py $(plan)/chosen.json
	$(say)
	$(run) $(given) -o $(@D)/sbc.csv --coverage $(@D)/sbc_coverage.csv

define sbc_figure
$(reports)/figures/$(subst _,-,$1).svg $(reports)/figures/$(subst _,-,$1).png &: $(code)/figures/$1.py $(simulated) $(judging) $(addprefix $(code)/,figures/_drawing.py figures/_panels.py figures/_theme.py) $(plan)/chosen.json
	$$(say)
	$$(run) $(simulated) -o $$(basename $$@).svg $$(basename $$@).png
endef
$(foreach name,sbc sbc_coverage,$(eval $(call sbc_figure,$(name))))

# Report.
$(reports)/tables/scores.csv: $(code)/reporting/results.py $(prepared).coords.json .build/twins.json $(checked) $(scored) $(shaken) $(plan)/priors.json $(plan)/chosen.json $(addprefix $(code)/,fits/store.py fits/netcdf.py checking/check.py fits/limits.py scoring/score.py checking/sensitivity.py reporting/comparison.py reporting/counties.py reporting/definitions.py reporting/fits.py) $(gated)
	$(say)
	$(run) $(prepared).coords.json .build/twins.json $(MODELS:%=$(fits)/%) --priors $(plan)/priors.json -o $(@D)

$(reports)/tables/frequentist.csv: $(code)/reporting/frequentist.py $(prepared).json $(prepared).coords.json .build/twins.json .build/packages.json $(code)/reporting/reml.py
	$(say)
	$(run) $(given) -o $@

$(reports)/tables/published.csv: $(code)/reporting/published.py data/published.csv $(prepared).json $(prepared).coords.json $(reports)/tables/frequentist.csv $(MODELS:%=$(fits)/%/estimates.csv) $(plan)/chosen.json $(code)/fits/store.py $(code)/fits/netcdf.py $(gated)
	$(say)
	$(run) $(given) -o $@

listings := $(MODELS:%=stan/%.stan) $(wildcard stan/functions/*.stanfunctions)
$(reports)/index.html: $(code)/reporting/pages.py reports/report.html.jinja reports/report.css $(plan)/about.json $(tables) $(pictures) $(listings) $(plan)/figures.json $(addprefix $(code)/,fits/store.py reporting/facts.py checking/sensitivity.py)
	$(say)
	$(run) reports/report.html.jinja reports/report.css $(plan)/about.json $(reports)/tables --highlight $(plan)/figures.json --figures $(figure_files) --programs $(listings) -o $@

# What is needed depends on who predicts; nothing is, if no table or no model of the study is named.
asked := $(and $(HOUSES),$(if $(MODEL),$(patsubst %,$(fits)/%/diagnostics.json,$(filter $(MODEL),$(MODELS))),$(reports)/tables/scores.csv))
## predict: radon of the houses in HOUSES, by the report's model or MODEL; reports/<study>/predictions.csv
.PHONY: predict
predict: $(code)/reporting/predict.py $(prepared).json $(addprefix $(plan)/,data.json sampler.json chosen.json) $(asked)
	$(run) stan $(fits) $(filter %.json,$(filter-out $(asked),$^)) --houses='$(HOUSES)' --model='$(MODEL)' --tables $(reports)/tables -o $(reports)/predictions.csv

## verify: repeat every fit from its record alone and compare
.PHONY: verify
verify: $(checked) $(PROGRAMS:%=.build/programs/%.essence) .build/toolchain.json
	@$(PYTHON) -m pooling.checking.verify $(MODELS:%=$(fits)/%) --present stan .build/programs .build/toolchain.json -o $(reports)/verify.csv

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

# How fast: one thing at a time, or they would measure each other.
peers := $(basename $(notdir $(wildcard python/bench/engines/*.txt)))
.build/bench/%/ready: python/bench/engines/%.txt
	@$(PYTHON3) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

## bench: samplers, growth and the workflow itself, measured; about an hour, on a quiet machine
bench:
	@for part in engines growth workflow; do $(MAKE) bench-$$part; done

## bench-engines: CmdStan, PyMC, nutpie, NumPyro and stanli on the same model; reports/bench/bench.csv
bench-engines: $(peers:%=.build/bench/%/ready) .build/toolchain.json $(addprefix stan/hierarchical_,centered noncentered marginal)
	@for study in minnesota survey; do $(MAKE) STUDY=$$study data/prepared/$$study.json; done
	@$(PYTHON) -m bench.engines $(patsubst %,data/prepared/%.json,minnesota survey) --programs stan --toolchain .build/toolchain.json --environments .build/bench -o reports/bench/bench.csv
	@$(PYTHON) -m bench.ratios reports/bench/bench.csv -o reports/bench/bench.svg reports/bench/bench.png

## bench-growth: sampling 20,000 and 2,000,000 houses; reports/bench/growth.csv
bench-growth: stan/hierarchical_marginal
	@$(PYTHON) -m bench.growth $< -o reports/bench/growth.csv

## bench-workflow: make all and edits against compiler and sampler alone; reports/bench/workflow.csv
bench-workflow: .build/toolchain.json
	@$(PYTHON) -m bench.workflow .build/bench/checkout $< --stages reports/bench/stages.csv -o reports/bench/workflow.csv

## lint: style of the Python code, and stanc on every program
lint: $(environment) .build/toolchain.json
	@$(PYTHON) -m ruff check python
	@$(PYTHON) -m ruff format --check python
	@$(PYTHON) -m pooling.programs.lint .build/toolchain.json stan

## clean: remove what was generated, which is what git ignores
clean:
	@git clean -dfXq
