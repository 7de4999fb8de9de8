/*
 * No pooling: every county has a regression of its own, with its own intercept, slope
 * and standard deviation, and learns nothing from the others.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma[county])
 *
 * Sampling alpha and beta would fail wherever a county has one or two houses, or none on
 * the first floor: its slope is as wide as the prior, or its standard deviation runs to
 * zero. Given sigma the rest is normal, so alpha and beta are integrated out and drawn
 * exactly afterwards, which leaves one sampled parameter per county.
 *
 * Least squares: y ~ floor, by county
 */
functions {
  #include functions/county_marginal.stanfunctions
}
data {
  int<lower=1> J;                               // Counties
  int<lower=0> N;                               // Houses to fit; with none, the posterior is the prior
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L

  int<lower=0> N_new;                                // Houses to predict: these, others, or none
  array[N_new] int<lower=1, upper=J> county_new;     // County of each
  vector<lower=0, upper=1>[N_new] floor_measure_new; // 0 basement, 1 first floor
  vector[N_new] log_radon_new;                       // Radon if known, log pCi/L: only log_lik reads it

  real prior_alpha_loc;                         // Prior mean of a county intercept, log pCi/L
  real<lower=0> prior_alpha_scale;              // Its standard deviation
  real prior_beta_loc;                          // Prior mean of a county slope, log pCi/L
  real<lower=0> prior_beta_scale;               // Its standard deviation
  real<lower=0> prior_sigma_scale;              // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound; infinite: none
}
parameters {
  vector<lower=0, upper=prior_sigma_upper>[J] sigma;          // Standard deviation of a county's houses, log pCi/L
}
transformed parameters {
  // Prior model of sigma, with the study's scale; 1 implies
  real lprior_sampled = std_normal_lpdf(sigma / prior_sigma_scale);   // 0 to 2.6
}
model {
  target += lprior_sampled;

  // Observational model, with alpha and beta integrated out
  log_radon ~ separate_regressions(county, floor_measure, prior_alpha_loc, prior_alpha_scale,
                                   prior_beta_loc, prior_beta_scale, sigma);
}
generated quantities {
  vector[J] alpha;                              // County intercepts, log pCi/L
  vector[J] beta;                               // County slopes, log pCi/L
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept and slope integrated out
  vector[J] log_lik_county = county_log_lik(log_radon, county, floor_measure,
                                            rep_vector(prior_alpha_loc, J), rep_vector(prior_beta_loc, J),
                                            prior_alpha_scale, prior_beta_scale, 0,
                                            rep_matrix(sigma, 2));
  {
    matrix[J, 2] effects = county_effects_rng(cell_means(log_radon, county, floor_measure, J),
                                              cell_counts(county, floor_measure, J),
                                              rep_vector(prior_alpha_loc, J),
                                              rep_vector(prior_beta_loc, J),
                                              prior_alpha_scale, prior_beta_scale, 0,
                                              rep_matrix(sigma, 2));
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  real lprior = lprior_sampled + normal_lpdf(alpha | prior_alpha_loc, prior_alpha_scale)
                + normal_lpdf(beta | prior_beta_loc, prior_beta_scale);
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma[county_new[i]]);
    y_rep[i] = normal_rng(mu, sigma[county_new[i]]);
  }
}
