# Rules of the figures, written by the macro `figure`: one for each file in this folder.
# STORY figures show the main models, or FROM and TO in shrinkage; LIBRARY figures show all models.
# MODEL figures show the headline model and, in folders of their names, the story's last model and MODEL.
models_shrinkage  := $(if $(and $(FROM),$(TO)),$(FROM) $(TO),$(STORY) $(filter-out $(STORY),$(FROM) $(TO)))
options_shrinkage := $(FROM:%=--from-model %) $(TO:%=--to-model %)
reruns_shrinkage  := $(plan)/arrows
reruns_map        := $(plan)/data.json $(COUNTY_TABLE) $(SHAPE_TABLE)
reruns_map_draws  := $(reruns_map)
reruns_action_map := $(reruns_map)
options_map       := --study data/studies/$(STUDY).toml
options_map_draws := $(options_map)
options_action_map := $(options_map)
# Figures of models chosen on the command line do not need the others to pass.
ungated := $(if $(and $(FROM),$(TO)),shrinkage) $(if $(MODEL),$(MODEL_FIGURES))

# figure,folder,models
define figure
$(call drawn,$1,$2) &: $(code)/figures/$1 \
  $(foreach file,diagnostics.json $(needs_$1),$(patsubst %,$(fits)/%/$(file),$3)) \
  $(tables_$1:%=$(reports)/tables/%.csv) $(plan)/figures.json $(reruns_$1) \
  $(plan)/$(if $(filter $1,$(LIBRARY_FIGURES)),model_names,story).json $(if $(filter $1,$(ungated)),,$(gated))
	$$(run) $(plan)/figures.json $(addprefix $(fits)/,$3) $(options_$1) \
	  $(foreach name,$(tables_$1),--$(name) $(reports)/tables/$(name).csv) -o $(call drawn,$1,$2)
endef
define plot
.PHONY: $(subst _,-,$1)-plot
$(subst _,-,$1)-plot: $(call drawn,$1,$2)
endef
$(foreach name,$(STORY_FIGURES),$(eval $(call figure,$(name),,$(or $(models_$(name)),$(STORY)))))
$(foreach name,$(LIBRARY_FIGURES),$(eval $(call figure,$(name),,$(MODELS))))
# Figures that were drawn for other models are drawn again when their fits change.
with_figures := $(filter $(MODELS),$(notdir $(patsubst %/,%,$(wildcard $(reports)/figures/*/))))
with_figures := $(sort $(MODEL) $(STORY_MODEL) $(with_figures))
$(foreach model,$(with_figures),$(foreach name,$(MODEL_FIGURES),\
  $(eval $(call figure,$(name),$(model)/,$(model)))))
$(foreach name,$(STORY_FIGURES) $(LIBRARY_FIGURES),$(eval $(call plot,$(name))))
$(foreach name,$(MODEL_FIGURES),$(eval $(call plot,$(name),$(MODEL:%=%/))))
