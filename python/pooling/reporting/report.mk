# Rules of the pages and of the county explorer on them: tables, figures and templates --> HTML.
listings := $(MODELS:%=stan/%.stan) $(wildcard stan/functions/*.stanfunctions)
shown    := $(pictures) $(headline) $(told) $(if $(MODEL),$(call figures_of,$(MODEL)))
shown    := $(sort $(shown) $(wildcard $(with_figures:%=$(reports)/figures/%/*)))
about    := $(addprefix $(plan)/,about.json story.json figures.json)
versions := .build/packages.json .build/toolchain.json
$(pages) &: $(code)/reporting/pages $(wildcard reports/*.jinja reports/*.css) $(about) $(tables) $(shown) \
  $(listings) $(reports)/graph.svg $(versions) CITATION.cff .build/figures.json
	$(run) reports $(plan)/about.json $(reports)/tables --story $(plan)/story.json --highlight $(plan)/figures.json \
	  --figures $(filter %.svg,$(shown)) --programs $(listings) --graph $(reports)/graph.svg --versions $(versions) \
	  --citation CITATION.cff -o $(pages)

# ---- County explorer: numbers and draws of the story's models and the headline model; its scripts
$(reports)/explorer/data.js $(reports)/explorer/draws.js &: $(code)/reporting/explorer $(plan)/story.json \
  $(reports)/tables/scores.csv $(plan)/data.json $(COUNTY_TABLE) $(SHAPE_TABLE)
	$(run) $(plan)/story.json $(reports)/tables $(fits) --study data/studies/$(STUDY).toml -o $(@D)/data.js \
	  --draws $(@D)/draws.js

$(reports)/explorer/decision.js: $(code)/reporting/calculator $(plan)/story.json $(plan)/decision.json $(decisions)
	$(run) $(plan)/story.json $(plan)/decision.json $(reports)/tables $(fits) -o $@

explorer_scripts := numbers words charts losses decision page
$(reports)/explorer/explorer.js $(reports)/explorer/vega.js &: $(code)/reporting/charts \
  $(wildcard reports/explorer.*.vg.json) $(explorer_scripts:%=reports/explorer.%.js)
	$(run) $(inputs) -o $(@D)/explorer.js --vega $(@D)/vega.js
