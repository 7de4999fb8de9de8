# What every rule stands on, read first: the checks of variables, the shell, Python, the plan, help.

## help: what can be made
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST) | sed 's/: /\t/' | $(columns)
	@printf '\nmodels:   '; basename -s .stan stan/*.stan | paste -sd' '
	@printf 'figures:  '; basename -s .py $(package)/figures/[a-z]*.py | tr _ - | paste -sd' '
	@printf 'studies:  '; basename -s .toml data/studies/*.toml | paste -sd' '
	@printf 'variables:\n'; sed -n 's/^\([A-Z0-9]*\) *?= *\(.*\)# *\(.*\)/  \1=\2\t\3/p' $(MAKEFILE_LIST) | $(columns)

# Two columns, tabs between them.
columns = awk -F'\t' '{ a[NR] = $$1; b[NR] = $$2; if (length($$1) > w) w = length($$1) } \
  END { for (i = 1; i <= NR; i++) printf "%-" w "s  %s\n", a[i], b[i] }'

.DEFAULT:
	@$(if $(wildcard $@),:,$(error error: no rule makes $@; `make help` lists what can be made))

# Variables become part of commands, and make expands them whenever it hands them to one: reject
# metacharacters of make and the shell. So this stands before all that runs a command. What make
# runs before it reads this file (NAME:=, NAME!=, --eval) it cannot see.
override typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
override ours  := STUDY FROM TO SEED SCHEDULER STALL SIMS HOUSES MODEL PYTHON3 PYTHON
override tools := CMDSTAN CXX FILE NAME
override paths := PYTHON% CMDSTAN HOUSES FILE
override marks := $$ ` ' " \ ; & | < > ( ) { } [ ] * ? ! % \#
ifneq ($(findstring e,$(firstword -$(MAKEFLAGS))),)
$(error error: make -e: give variables by name, as in `make STUDY=post`)
endif
$(foreach name,$(filter-out $(ours) $(tools),$(typed)),\
  $(error error: $(name)=$(value $(name)): no such variable; there are $(ours) $(tools)))
# Of the environment only our own are read here: its NAME is not ours.
override guarded := $(ours) $(filter $(tools),$(typed))
$(foreach name,$(guarded),$(foreach mark,$(marks) $(if $(filter $(paths),$(name)),,~) \
  $(if $(filter $(paths) CXX SCHEDULER STUDY,$(name)),,/),$(if $(findstring $(mark),$(value $(name))),\
  $(error error: $(name)=$(value $(name)): holds $(mark); give a plain name, number or path))))
ifneq ($(words x$(STUDY)x)$(if $(STUDY),,empty)$(findstring /,$(STUDY))$(findstring :,$(STUDY))$(filter .%,$(STUDY)),1)
$(error error: STUDY="$(STUDY)": give the name of one study, as in data/studies/<study>.toml)
endif
$(foreach name,$(filter-out CXX CMDSTAN,$(guarded)),$(if $(filter-out 1,$(words x$(value $(name))x)),\
  $(error error: $(name)="$(value $(name))": holds a blank; leave it out)))
ifneq ($(and $(filter predict,$(MAKECMDGOALS)),$(HOUSES),$(if $(wildcard $(HOUSES)),,missing)),)
$(error error: HOUSES=$(HOUSES): no such file)
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
code     := .build/code#      a stamp for each stage: the digest of the code that it reaches
manifest := .build/manifest#  what was made, with its content
results  := $(STUDY)$(SEED:%=-seed-%)#  another seed has folders of its own
plan     := .build/$(results)#          the sections of the study, and what make must know of it

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

.venv/ready:
	@$(PYTHON3) $(package)/build/environment.py requirements.lock -o $@

# An environment is ready for the files that it was made from, whatever their times.
goals := $(if $(filter default,$(origin MAKECMDGOALS)),$(MAKECMDGOALS),help)
ifneq ($(and $(environment),$(filter-out help clean,$(goals))),)
$(shell { sha256sum --check --status .venv/ready && .venv/bin/python -I -S -c ''; } 2>/dev/null || rm -f .venv/ready)
endif

# Once it is there, `plan` brings it up to date: its time is that of its content.
.build/toolchain.json: | $(environment)
	@MANIFEST=$(manifest) $(PYTHON) -m pooling.build.cmdstan -o $@

$(plan)/plan.mk: FORCE | $(environment)
	@MANIFEST=$(manifest) $(PYTHON) -m pooling.workflow.plan data/studies/$(STUDY).toml stan $(SEED:%=--seed %) \
	  --arrows "$(FROM) $(TO)" --sources $(sources) $(HOUSE_TABLE) $(COUNTY_TABLE) $(SHAPE_TABLE) -o $@

# What make itself compares by time.
sources := $(wildcard data/*.csv stan/*.stan stan/functions/*.stanfunctions reports/report.*)

# A plan that is missing would be reported, and one that cannot be read would stop make
# before it could be made again: an empty one does neither.
planned := PROGRAMS MODELS STORY HOUSE_TABLE COUNTY_TABLE SHAPE_TABLE
planned += STORY_FIGURES MODEL_FIGURES LIBRARY_FIGURES CALIBRATION_FIGURES
$(foreach name,$(planned),$(eval $(name) :=))
ifneq ($(filter-out help clean lint fsck repair why,$(goals)),)
$(shell grep -qsvE '^[A-Za-z0-9_]+ := ' $(plan)/plan.mk || [[ ! -s $(plan)/plan.mk ]] && \
  mkdir -p $(plan) 2>/dev/null && : > $(plan)/plan.mk)
include $(plan)/plan.mk
endif

# A stage is `python -m pooling.<stage> INPUTS... -o OUTPUT`, run again when its stamp changes, the
# first prerequisite. In a terminal the line that names it takes the place of a progress bar.
stage  = $(subst $(code)/,,$<)
run    = @[[ ! -t 1 ]] || printf '\r\033[K'; printf '%-25s %s\n' $(stage) $@; \
  MANIFEST=$(manifest) $(PYTHON) -m pooling.$(subst /,.,$(stage))
# Prerequisites in the order of the arguments, but for those that only say when to run again.
inputs = $(filter-out $(code)/% %/packages.json %/model_names.json %/sims,$^)

## fsck: compare the content of everything that was made with the manifest
fsck: | $(environment)
	@$(PYTHON) -m pooling.build.manifest check $(manifest)
## repair: remove what is damaged, so that the next make makes it again
repair: | $(environment)
	@$(PYTHON) -m pooling.build.manifest repair $(manifest)
## why: which stages an edit of FILE, or of NAME in it, would make run again
why: | $(environment)
	@$(PYTHON) -m pooling.workflow.why '$(if $(filter FILE,$(typed)),$(FILE))' $(if $(filter NAME,$(typed)),--name $(NAME))
## graph: what depends on what: reports/<study>/graph.svg
graph: | $(environment)
	@$(MAKE) --no-print-directory -npr all STUDY=$(STUDY) 2>/dev/null | \
	  $(PYTHON) -m pooling.workflow.graph $(firstword $(MODELS)) -o reports/$(results)/graph.svg
