# Read first: checks of variables, the shell, Python, the plan, help.

## help: list the targets
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | sed 's/: /\t/' | $(columns)
	@printf '\nmodels:   '; basename -s .stan stan/*.stan | paste -sd' '
	@printf 'figures:  '; basename -s .py $(package)/figures/[a-z]*.py | tr _ - | paste -sd' '
	@printf 'studies:  '; basename -s .toml data/studies/*.toml | paste -sd' '
	@printf 'variables:\n'; sed -n 's/^\([A-Z0-9]*\) *?= *\(.*\)# *\(.*\)/  \1=\2\t\3/p' $(MAKEFILE_LIST) | $(columns)

# Align two tab-separated columns.
columns = awk -F'\t' '{ a[NR] = $$1; b[NR] = $$2; if (length($$1) > w) w = length($$1) } \
  END { for (i = 1; i <= NR; i++) printf "%-" w "s  %s\n", a[i], b[i] }'

.DEFAULT:
	@$(if $(wildcard $@),:,$(error error: no rule makes $@; `make help` lists the targets))

# Variables become part of commands: reject shell and make metacharacters before any command runs.
# What make evaluates before reading this file (NAME:=, NAME!=, --eval) cannot be checked.
override typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
override ours  := STUDY FROM TO SEED SCHEDULER STALL SIMS HOUSES MODEL PYTHON3 PYTHON
override tools := CMDSTAN CXX FILE NAME
override paths := PYTHON% CMDSTAN HOUSES FILE $(if $(filter study,$(MAKECMDGOALS)),FROM)
override marks := $$ ` ' " \ ; & | < > ( ) { } [ ] * ? ! % \#
ifneq ($(findstring e,$(firstword -$(MAKEFLAGS))),)
$(error error: make -e is not supported; set variables by name, as in `make STUDY=post`)
endif
$(foreach name,$(filter-out $(ours) $(tools),$(typed)),\
  $(error error: $(name)=$(value $(name)): no such variable; choose from $(ours) $(tools)))
# From the environment only our own variables count, not such as NAME.
override guarded := $(ours) $(filter $(tools),$(typed))
$(foreach name,$(guarded),$(foreach mark,$(marks) $(if $(filter $(paths),$(name)),,~) \
  $(if $(filter $(paths) CXX SCHEDULER STUDY,$(name)),,/),$(if $(findstring $(mark),$(value $(name))),\
  $(error error: $(name)=$(value $(name)): contains $(mark); give a plain name, number or path))))
ifneq ($(words x$(STUDY)x)$(if $(STUDY),,empty)$(findstring /,$(STUDY))$(findstring :,$(STUDY))$(filter .%,$(STUDY)),1)
$(error error: STUDY="$(STUDY)": give the name of one study, as in data/studies/<study>.toml)
endif
$(foreach name,$(filter-out CXX CMDSTAN,$(guarded)),$(if $(filter-out 1,$(words x$(value $(name))x)),\
  $(error error: $(name)="$(value $(name))": contains a space; remove it)))
ifneq ($(and $(filter predict,$(MAKECMDGOALS)),$(HOUSES),$(if $(wildcard $(HOUSES)),,missing)),)
$(error error: HOUSES=$(HOUSES): no such file)
endif
ifneq ($(and $(filter study,$(MAKECMDGOALS)),$(if $(wildcard $(FROM)),,missing)),)
$(error error: FROM=$(FROM): no such file; run `make study FROM=houses.csv` with a table of houses)
endif

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules --no-builtin-variables
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS   += -j$(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || echo 2)
endif
.DELETE_ON_ERROR:
.PHONY: help fsck repair why graph FORCE

package  := python/pooling
code     := .build/code#      one stamp per stage: its code digest
manifest := .build/manifest#  manifest of outputs
results  := $(STUDY)$(SEED:%=-seed-%)#  another seed has its own folders
plan     := .build/$(results)#          the sections of the study and the plan

# The active conda environment from environment.yml, else .venv.
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

.venv/ready:
	@$(PYTHON3) $(package)/build/environment.py requirements.lock -o $@

# The environment is current if its sources have the recorded contents, whatever their times.
goals := $(if $(filter default,$(origin MAKECMDGOALS)),$(MAKECMDGOALS),help)
ifneq ($(and $(environment),$(filter-out help clean,$(goals))),)
$(shell { sha256sum --check --status .venv/ready && .venv/bin/python -I -S -c ''; } 2>/dev/null || rm -f .venv/ready)
endif

# Later `plan` keeps it up to date; its time changes only with its content.
.build/toolchain.json: | $(environment)
	@MANIFEST=$(manifest) $(PYTHON) -m pooling.build.cmdstan -o $@

$(plan)/plan.mk: FORCE | $(environment)
	@MANIFEST=$(manifest) $(PYTHON) -m pooling.workflow.plan data/studies/$(STUDY).toml stan $(SEED:%=--seed %) \
	  --arrows "$(FROM) $(TO)" --sources $(sources) $(HOUSE_TABLE) $(COUNTY_TABLE) $(SHAPE_TABLE) \
	  --rules $(filter Makefile $(package)/%,$(MAKEFILE_LIST)) -o $@

# Sources that make compares by time.
sources := $(wildcard data/*.csv stan/*.stan stan/functions/*.stanfunctions CITATION.cff)
sources += $(wildcard reports/*.jinja reports/*.css reports/*.js*)

# Make warns about a missing plan, and stops at an unreadable one before rebuilding it; an empty
# plan avoids both.
planned := PROGRAMS MODELS STORY STORY_MODEL HOUSE_TABLE COUNTY_TABLE SHAPE_TABLE DECISION_TABLES
planned += STORY_FIGURES MODEL_FIGURES LIBRARY_FIGURES CALIBRATION_FIGURES
$(foreach name,$(planned),$(eval $(name) :=))
ifneq ($(filter-out help clean lint fsck repair why study,$(goals)),)
$(shell grep -qsvE '^[A-Za-z0-9_]+ := ' $(plan)/plan.mk || [[ ! -s $(plan)/plan.mk ]] && \
  mkdir -p $(plan) 2>/dev/null && : > $(plan)/plan.mk)
include $(plan)/plan.mk
endif

# A stage is `python -m pooling.<stage> INPUTS... -o OUTPUT`, rerun when its stamp, the first
# prerequisite, changes. In a terminal its line overwrites a progress bar.
stage  = $(subst $(code)/,,$<)
run    = @[[ ! -t 1 ]] || printf '\r\033[K'; printf '%-25s %s\n' $(stage) $@; \
  MANIFEST=$(manifest) $(PYTHON) -m pooling.$(subst /,.,$(stage))
# The stage's arguments: all prerequisites except those that only trigger a rerun.
inputs = $(filter-out $(code)/% %/packages.json %/model_names.json %/sims,$^)

## fsck: compare all outputs with the manifest
fsck: | $(environment)
	@$(PYTHON) -m pooling.build.manifest check $(manifest)
## repair: remove damaged outputs, so that the next make rebuilds them
repair: | $(environment)
	@$(PYTHON) -m pooling.build.manifest repair $(manifest)
## why: the stages that an edit of FILE, or of NAME in it, would rerun
why: | $(environment)
	@$(PYTHON) -m pooling.workflow.why '$(if $(filter FILE,$(typed)),$(FILE))' $(if $(filter NAME,$(typed)),--name $(NAME))
## graph: the dependencies of the stages: reports/<study>/graph.svg
graph: reports/$(results)/graph.svg
# Not as $(MAKE), which make would run even where it is asked what it would do.
itself := $(MAKE)
reports/$(results)/graph.svg: $(code)/workflow/graph $(plan)/model_names.json .build/rules
	@$(itself) --no-print-directory -npr all STUDY=$(STUDY) 2>/dev/null | MANIFEST=$(manifest) \
	  $(PYTHON) -m pooling.workflow.graph $(firstword $(MODELS)) -o $@
