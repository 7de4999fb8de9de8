/*
 * Partial pooling of intercepts towards what soil uranium predicts; the slope is
 * common.
 *
 *   log_radon ~ normal(alpha[county] + mu_beta * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha + gamma_alpha * log_uranium[j], sigma_alpha)
 *
 * A county without houses is predicted from its soil. Alpha is integrated out of the
 * posterior and drawn exactly afterwards.
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
  vector[J] log_uranium;                        // Soil uranium of each county, log ppm

  real prior_mu_alpha_loc;                      // Prior mean of the mean basement level, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the floor effect, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real prior_gamma_alpha_loc;                   // Prior mean of the uranium effect on levels
  real<lower=0> prior_gamma_alpha_scale;        // Its standard deviation
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound, infinite: none
  real<lower=0> prior_sigma_scale;              // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound, infinite: none

  int<lower=0, upper=N> held_out;               // Houses at the end that are predicted, not fitted
  int<lower=0, upper=1> prior_only;             // 1 fits no house
  int<lower=0, upper=1> pointwise;              // 0 leaves out log_lik and y_rep
}
transformed data {
  int n = prior_only ? 0 : N - held_out;        // Houses that inform the fit
  int m = pointwise ? (held_out ? held_out : N) : 0;  // Houses that are scored: those held out, or all
  matrix[J, 2] houses = cell_counts(head(county, n), head(floor_measure, n), J);
  matrix[J, 2] mean_y = cell_means(head(log_radon, n), head(county, n), head(floor_measure, n), J);
  real squares = sum(within_squares(head(log_radon, n), head(county, n), head(floor_measure, n), J));
}
parameters {
  real mu_alpha;                                            // Mean basement level where uranium is 1 ppm, log pCi/L
  real mu_beta;                                             // Floor effect, the same in all counties, log pCi/L
  real gamma_alpha;                                         // Change of the basement level for a unit of log uranium
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha; // Spread of basement levels between counties
  real<lower=0, upper=prior_sigma_upper> sigma;             // Spread between houses, log pCi/L
}
model {
  // Prior model: the study's scales; with (0, 10) and 1 they say
  mu_alpha ~ normal(prior_mu_alpha_loc, prior_mu_alpha_scale);  // -23 <~ mu_alpha <~ 23
  mu_beta ~ normal(prior_mu_beta_loc, prior_mu_beta_scale);     // -23 <~ mu_beta <~ 23
  gamma_alpha ~ normal(prior_gamma_alpha_loc, prior_gamma_alpha_scale); // -23 <~ gamma_alpha <~ 23
  sigma_alpha / prior_sigma_alpha_scale ~ std_normal();         // 0 <~ sigma_alpha <~ 2.6
  sigma / prior_sigma_scale ~ std_normal();                     // 0 <~ sigma <~ 2.6

  // Observational model, with the population of alpha in it
  mean_y ~ common_marginal(houses, squares, mu_alpha + gamma_alpha * log_uranium,
                           rep_vector(mu_beta, J), sigma_alpha, 0, 0, sigma);
}
generated quantities {
  vector[J] alpha;                              // County basement levels, log pCi/L
  vector[J] beta;                               // County floor effects, all the same
  vector[m] log_lik;                            // Log density of each scored house
  vector[m] y_rep;                              // Replicated radon of each scored house, log pCi/L
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses, mu_alpha + gamma_alpha * log_uranium,
                                              rep_vector(mu_beta, J), sigma_alpha, 0, 0, rep_vector(sigma, J));
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  if (m > 0) {
    vector[m] mu = tail(alpha[county] + beta[county] .* floor_measure, m);
    for (i in 1 : m)
      log_lik[i] = normal_lpdf(log_radon[N - m + i] | mu[i], sigma);
    y_rep = to_vector(normal_rng(mu, sigma));
  }
}
