# From the survey to the report. `make help` lists the targets.
# A rule's first prerequisite is its stage; the others are the stage's arguments, in order.

STUDY   ?= minnesota#    study, data/studies/<study>.toml
FROM    ?=#              model at the tail of the shrinkage arrows (default: without pooling); table for study
TO      ?=#              model at their head; default: the main model with partial pooling
SEED    ?=#              sampler seed instead of the study's; results go to <study>-seed-<seed>
SCHEDULER ?=#            dask scheduler for refits, tcp://...; default: this machine
STALL   ?= 600#          seconds without processor time after which a chain is killed
SIMS    ?= 200#          simulations per model for sbc
HOUSES  ?=#              CSV table of houses to predict
MODEL   ?=#              model for predict (default: the headline model) and for <figure>-plot
PYTHON3 ?= python3#      Python 3.11 or later, which creates the environment
FILE    ?=#              module for why, such as python/pooling/fitting/fit.py
NAME    ?=#              function, class or constant in FILE for why; default: all of it

include python/pooling/workflow/guards.mk

prepared := data/prepared/$(results)
data     := $(prepared).json $(prepared).coords.json
fits     := data/fits/$(results)
reports  := reports/$(results)

of_fits  := fit.nc replications.nc diagnostics.json estimates.csv loo.csv sensitivity.csv left_out.csv scores.csv
of_fits  += other_priors.csv
checked  := $(foreach name,estimates.csv diagnostics.json,$(MODELS:%=$(fits)/%/$(name)))
scored   := $(MODELS:%=$(fits)/%/scores.csv)
sensitivity_files := $(foreach name,sensitivity.csv other_priors.csv,$(MODELS:%=$(fits)/%/$(name)))
decisions := $(DECISION_TABLES:%=$(reports)/tables/%.csv)
explorer  := data draws explorer vega $(if $(decisions),decision)
explorer  := $(explorer:%=$(reports)/explorer/%.js)
pages    := index counties models methods $(if $(decisions),decisions) $(MODELS:%=models/%)
pages    := $(pages:%=$(reports)/%.html)
tables   := $(addprefix $(reports)/tables/,scores.csv frequentist.csv published.csv) $(decisions)
drawn     = $(foreach kind,svg png,$(reports)/figures/$2$(subst _,-,$1).$(kind))
pictures := $(foreach name,$(STORY_FIGURES) $(LIBRARY_FIGURES),$(call drawn,$(name)))
headline := $(foreach name,$(MODEL_FIGURES),$(call drawn,$(name)))
figures_of = $(foreach name,$(MODEL_FIGURES),$(call drawn,$(name),$1/))
told     := $(if $(STORY_MODEL),$(call figures_of,$(STORY_MODEL)))
program   = stan/% .build/programs/%.normalised
scheduler = $(SCHEDULER:%=--scheduler %)

# After an error make would delete both files of a pair, even unchanged ones. These are always
# complete, since stages write a draft and rename it.
.PRECIOUS: $(explorer) $(data) $(pictures) $(headline) $(told) $(checked) $(decisions)
.PRECIOUS: $(foreach name,loo.csv sensitivity.csv,$(MODELS:%=$(fits)/%/$(name)))
.PHONY: all report tables figures fits scores predict verify study $(MODELS)

## all: report, tables and figures of the study
all: report
## report: reports/<study>/index.html, and the pages that it leads to
report: $(pages) $(explorer)
## tables: reports/<study>/tables/*.csv
tables: $(tables)
## figures: reports/<study>/figures/*.svg and *.png
figures: $(pictures) $(headline) $(told)
## <figure>-plot: one figure, such as shrinkage-plot; for one model, trace-plot MODEL=pooled
## fits: posterior and prior of every model, with diagnostics
fits: $(checked) $(plan)/gate
## scores: out-of-sample scores of every model, with many refits
scores: $(scored)
## <model>: fit and diagnose one model
$(MODELS): %: $(fits)/%/diagnostics.json $(fits)/%/estimates.csv
	@$(PYTHON) -m pooling.checking.gate $<

## study: a first study of the table of houses FROM=houses.csv; data/studies/<houses>.toml, or STUDY=
study: | $(environment)
	@$(PYTHON) -m pooling.inputs.first_study '$(FROM)' \
	  -o data/studies/$(if $(filter STUDY,$(typed)),$(STUDY),$(basename $(notdir $(FROM)))).toml

# ---- Data: tables and sections of the study --> Stan data
$(data) &: $(code)/inputs/prepare $(plan)/data.json $(plan)/priors.json $(HOUSE_TABLE) $(COUNTY_TABLE)
	$(run) $(inputs) --study $(STUDY) -o $(prepared).json --coords $(prepared).coords.json

# Houses of each county and floor, counted by the survey's weights.
$(prepared).represented.csv: $(code)/inputs/represented $(plan)/data.json $(prepared).coords.json $(HOUSE_TABLE) \
  $(COUNTY_TABLE)
	$(run) $(inputs) -o $@

# The counties to highlight are checked before models are fitted, which do not depend on them.
$(plan)/highlights: $(code)/inputs/highlights $(plan)/figures.json $(prepared).coords.json
	$(run) $(inputs) --study data/studies/$(STUDY).toml -o $@

# ---- Programs: rebuilt when the normalised source changes
$(PROGRAMS:%=stan/%): stan/%: $(code)/programs/compile .build/programs/%.normalised .build/toolchain.json
	$(run) $@.stan $(inputs) --cache .build/executables/$* -o $@

# ---- Fits: program + data --> draws of posterior and prior
# Naming these files keeps make from treating them as intermediate: a deleted one is rebuilt.
$(foreach file,$(of_fits),$(PROGRAMS:%=$(fits)/%/$(file))):

$(fits)/%/fit.nc: $(code)/fitting/fit $(program) $(data) $(plan)/sampler.json .build/toolchain.json \
  .build/packages.json | $(plan)/highlights
	$(run) $(inputs) --cache $(@D)/cache -o $@

# ---- Checks: a fit --> diagnostics, estimates; the gate runs after all models are fitted
$(fits)/%/diagnostics.json $(fits)/%/estimates.csv: $(code)/checking/check stan/% $(fits)/%/fit.nc $(prepared).json \
  $(plan)/models.json $(plan)/sampler.json
	$(run) $(inputs) -o $(@D)/diagnostics.json --estimates $(@D)/estimates.csv

$(plan)/gate: $(code)/checking/gate $(MODELS:%=$(fits)/%/diagnostics.json) $(plan)/model_names.json
	$(run) $(inputs) -o $@
# An order-only prerequisite: later stages wait for the gate but do not rerun because of it.
gated := | $(plan)/gate

$(fits)/%/other_priors.csv: $(code)/checking/other_priors stan/% $(prepared).json $(plan)/sampler.json \
  $(plan)/other_priors.json $(fits)/%/fit.nc $(fits)/%/diagnostics.json $(gated)
	$(run) $(inputs) -o $@

# ---- Scores: in-sample and out-of-sample predictions, from weighted draws or else by refits, which are
# cached in $(fits)/<model>/refits
$(fits)/%/replications.nc: $(code)/scoring/replicate stan/% $(fits)/%/fit.nc $(prepared).json $(plan)/sampler.json \
  $(plan)/scores.json $(gated)
	$(run) $(inputs) -o $@

left_out_from := $(fits)/%/fit.nc $(prepared).json $(plan)/sampler.json $(plan)/scores.json .build/toolchain.json
$(fits)/%/loo.csv $(fits)/%/sensitivity.csv: $(code)/scoring/loo $(program) $(left_out_from) $(plan)/priors.json \
  $(fits)/%/diagnostics.json .build/packages.json $(gated)
	$(run) $(inputs) $(scheduler) -o $(@D)/loo.csv --sensitivity $(@D)/sensitivity.csv

$(fits)/%/left_out.csv: $(code)/scoring/leave_out $(program) $(left_out_from) $(fits)/%/diagnostics.json \
  .build/packages.json $(gated)
	$(run) $(inputs) $(scheduler) -o $@

$(fits)/%/scores.csv: $(code)/scoring/score $(addprefix $(fits)/%/,fit.nc loo.csv left_out.csv \
  replications.nc diagnostics.json)
	$(run) $(inputs) -o $@

# ---- Figures: fits, and the files that a figure declares --> SVG and PNG
# <figure>.svg <figure>.png: $(code)/figures/<figure>, the fits and the files that it needs, $(plan)/figures.json
include python/pooling/figures/figures.mk

$(headline) &: $(code)/reporting/headline $(MODEL_FIGURES:%=$(code)/figures/%) $(plan)/figures.json \
  $(reports)/tables/scores.csv
	$(run) $(plan)/figures.json $(reports)/tables $(fits) -o $(headline)

# ---- Report: tables of all models, then the pages
$(reports)/tables/scores.csv: $(code)/reporting/results $(prepared).coords.json .build/twins.json $(checked) \
  $(scored) $(sensitivity_files) $(plan)/priors.json $(plan)/headline.json $(plan)/model_names.json $(gated)
	$(run) $(prepared).coords.json .build/twins.json $(MODELS:%=$(fits)/%) --priors $(plan)/priors.json \
	  --headline $(plan)/headline.json -o $(@D)

$(reports)/tables/frequentist.csv: $(code)/reporting/frequentist $(data) .build/twins.json .build/packages.json
	$(run) $(inputs) -o $@

$(reports)/tables/published.csv: $(code)/reporting/published data/published.csv $(data) \
  $(reports)/tables/frequentist.csv $(MODELS:%=$(fits)/%/estimates.csv) $(plan)/model_names.json $(gated)
	$(run) $(inputs) -o $@

# ---- Decisions: a fit and the costs in the study's section --> what to do in each county
$(if $(decisions),$(decisions) &:,no_decisions:) $(code)/reporting/decisions $(plan)/decision.json \
  $(prepared).represented.csv $(reports)/tables/scores.csv $(gated)
	$(run) $(plan)/decision.json $(prepared).represented.csv $(reports)/tables $(fits) -o $(decisions)

# ---- Pages: tables, figures, programs --> reports/<study>/*.html, and the county explorer
include python/pooling/reporting/report.mk

# ---- Uses of the fits
# The prerequisites depend on the model that predicts; invalid HOUSES or MODEL need none to be reported.
chosen := $(patsubst %,$(fits)/%/diagnostics.json,$(filter $(MODEL),$(MODELS)))
predictor := $(if $(MODEL),$(chosen),$(reports)/tables/scores.csv)
predict_from := $(prepared).json $(addprefix $(plan)/,data.json sampler.json model_names.json)
## predict: radon of the houses in HOUSES, by the headline model or MODEL; reports/<study>/predictions.csv
predict: $(code)/reporting/predict $(predict_from) $(if $(HOUSES),$(predictor))
	$(run) stan $(fits) $(predict_from) --houses='$(HOUSES)' --model='$(MODEL)' --tables $(reports)/tables \
	  $(if $(decisions),--decision $(plan)/decision.json) -o $(reports)/predictions.csv

## verify: repeat every fit from its record and compare the draws
verify: $(checked) $(PROGRAMS:%=.build/programs/%.normalised) .build/toolchain.json
	@$(PYTHON) -m pooling.checking.verify $(MODELS:%=$(fits)/%) --present stan .build/programs .build/toolchain.json \
	  -o $(reports)/verify.csv

include python/pooling/checking/calibration.mk python/pooling/checking/reference.mk
include python/tests/tests.mk python/bench/bench.mk
