# Reference draws for posteriordb's radon models, of no study and separate from the report.
reference := reports/reference
.PHONY: reference

## reference: reference draws for posteriordb's radon models: reports/reference/
reference: $(reference)/checks.csv

# model of posteriordb, program of ours that draws from its posterior
define draws
reference_files += $(reference)/radon_mn-radon_$1.info.json $(reference)/radon_mn-radon_$1.mean_value.json
.PRECIOUS: $(addprefix $(reference)/radon_mn-radon_$1.,info.json json.zip mean_value.json)
$(addprefix $(reference)/radon_mn-radon_$1.,info.json json.zip mean_value.json) &: $(code)/checking/reference \
  stan/$2 data/households.csv data/counties.csv .build/toolchain.json .build/packages.json
	$$(run) $$(inputs) -o $$(@D)/radon_mn-radon_$1.info.json --draws $$(@D)/radon_mn-radon_$1.json.zip \
	  --means $$(@D)/radon_mn-radon_$1.mean_value.json
endef
$(eval $(call draws,pooled,pooled))
$(eval $(call draws,county_intercept,per_county_common_slope))
$(eval $(call draws,partially_pooled_noncentered,varying_intercept_noncentered))
$(eval $(call draws,variable_intercept_noncentered,varying_intercept_noncentered))
$(eval $(call draws,variable_slope_noncentered,hierarchical_marginal))
$(eval $(call draws,variable_intercept_slope_noncentered,hierarchical_marginal))
$(eval $(call draws,hierarchical_intercept_noncentered,varying_intercept_uranium))

$(reference)/checks.csv $(reference)/means.csv &: $(code)/checking/reference_table $(reference_files)
	$(run) $(inputs) -o $(@D)/checks.csv --means $(@D)/means.csv
