/*
 * No pooling: every county is a regression of its own, with its own intercept,
 * slope and spread, and learns nothing from the others.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma[county])
 *
 * Sampled as it stands, a county with one or two houses or with none on the first
 * floor ruins the sampler: its slope has the prior's width, or its spread runs to
 * zero. Given sigma the rest is normal, so alpha and beta are integrated out of
 * the posterior and drawn exactly afterwards, one sampled parameter a county.
 */
functions {
  #include functions/county_marginal.stanfunctions
}
data {
  int<lower=0> N;                               // Houses
  int<lower=1> J;                               // Counties
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L

  real prior_alpha_loc;                         // Prior mean of a basement level, log pCi/L
  real<lower=0> prior_alpha_scale;              // Its standard deviation
  real prior_beta_loc;                          // Prior mean of a floor effect, log pCi/L
  real<lower=0> prior_beta_scale;               // Its standard deviation
  real<lower=0> prior_sigma_scale;              // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound, infinite: none

  int<lower=0, upper=N> held_out;               // Houses at the end that are predicted, not fitted
  int<lower=0, upper=1> prior_only;             // 1 fits no house
  int<lower=0, upper=1> pointwise;              // 0 leaves out log_lik and y_rep
}
transformed data {
  int n = prior_only ? 0 : N - held_out;                // Houses that inform the fit
  int m = pointwise ? (held_out ? held_out : N) : 0;    // Houses that are scored: those held out, or all
  matrix[J, 2] houses = cell_counts(head(county, n), head(floor_measure, n), J);
  matrix[J, 2] mean_y = cell_means(head(log_radon, n), head(county, n), head(floor_measure, n), J);
  vector[J] squares = within_squares(head(log_radon, n), head(county, n), head(floor_measure, n), J);
  vector[J] mu_alpha = rep_vector(prior_alpha_loc, J);  // Prior means of the basement levels
  vector[J] mu_beta = rep_vector(prior_beta_loc, J);    // Prior means of the floor effects
  for (j in 1 : J) {
    if (squares[j] < 1e-20 && max(houses[j]) > 1)
      reject("per_county: on each floor the houses of county ", j,
             " are tied; its own spread has no posterior");
  }
}
parameters {
  vector<lower=0, upper=prior_sigma_upper>[J] sigma;    // Spread between houses of a county, log pCi/L
}
model {
  // Prior model: the study's scales; with 1 this says
  sigma / prior_sigma_scale ~ std_normal();                     // 0 <~ sigma <~ 2.6

  // Observational model, with the priors of alpha and beta in it
  mean_y ~ county_marginal(houses, squares, mu_alpha, mu_beta,
                           prior_alpha_scale, prior_beta_scale, sigma);
}
generated quantities {
  vector[J] alpha;                              // County basement levels, log pCi/L
  vector[J] beta;                               // County floor effects, log pCi/L
  vector[m] log_lik;                            // Log density of each scored house
  vector[m] y_rep;                              // Replicated radon of each scored house, log pCi/L
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses, mu_alpha, mu_beta,
                                              prior_alpha_scale, prior_beta_scale, 0, sigma);
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  if (m > 0) {
    vector[m] mu = tail(alpha[county] + beta[county] .* floor_measure, m);
    vector[m] spread = tail(sigma[county], m);
    for (i in 1 : m)
      log_lik[i] = normal_lpdf(log_radon[N - m + i] | mu[i], spread[i]);
    y_rep = to_vector(normal_rng(mu, spread));
  }
}
