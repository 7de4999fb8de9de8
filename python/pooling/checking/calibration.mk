# Simulation-based calibration, separate from the report.
# Finished simulations are cached in $(fits)/<model>/sbc.
simulated  := $(MODELS:%=$(fits)/%/sbc.nc)
sbc_tables := $(addprefix $(reports)/tables/,sbc.csv sbc_coverage.csv)
sbc_svg    := $(patsubst %,$(reports)/figures/%.svg,$(subst _,-,$(CALIBRATION_FIGURES)))
sbc_drawn  := $(sbc_svg) $(sbc_svg:.svg=.png)
.PRECIOUS: $(sbc_tables) $(sbc_drawn)
.PHONY: sbc $(MODELS:%=%-sbc)

## sbc: simulation-based calibration of every model, SIMS simulations each: tables and figures
sbc: $(sbc_tables) $(sbc_drawn)
## <model>-sbc: simulation-based calibration of one model
$(MODELS:%=%-sbc): %-sbc: $(fits)/%/sbc.csv

$(simulated) $(simulated:.nc=.csv):

$(plan)/sims: FORCE
	@[[ "$$(cat $@ 2>/dev/null)" = '$(SIMS)' ]] || MANIFEST=$(manifest) $(PYTHON) -c \
	  'from pooling.build.files import write_if_changed; write_if_changed("$@", "$(SIMS)\n")'

$(fits)/%/sbc.nc: $(code)/checking/sbc stan/% .build/programs/%.normalised $(data) $(plan)/sampler.json \
  $(plan)/calibration.json $(plan)/models.json .build/toolchain.json .build/packages.json $(plan)/sims
	$(run) $(inputs) --sims '$(SIMS)' $(scheduler) -o $@

$(fits)/%/sbc.csv $(fits)/%/sbc_coverage.csv: $(code)/checking/calibration $(fits)/%/sbc.nc
	$(run) $(inputs) -o $(@D)/sbc.csv --coverage $(@D)/sbc_coverage.csv

$(sbc_tables) &: $(code)/checking/calibration $(simulated) $(plan)/model_names.json
	$(run) $(inputs) -o $(@D)/sbc.csv --coverage $(@D)/sbc_coverage.csv

define calibration_figure
.PHONY: $(subst _,-,$1)-plot
$(subst _,-,$1)-plot: $(drawn)
$(drawn) &: $(code)/figures/$1 $(simulated) $(plan)/model_names.json
	$$(run) $(simulated) -o $(drawn)
endef
$(foreach name,$(CALIBRATION_FIGURES),$(eval $(call calibration_figure,$(name))))
