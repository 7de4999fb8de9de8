/*
 * Partial pooling in three levels: houses in counties, counties in states. Every state
 * has a population of intercepts and one of slopes, whose means come from a population
 * of states.
 *
 *   log_radon         ~ normal(alpha[county] + beta[county] * floor_measure, sigma)
 *   alpha[j]          ~ normal(mu_alpha_state[state[j]], sigma_alpha)
 *   beta[j]           ~ normal(mu_beta_state[state[j]], sigma_beta)
 *   mu_alpha_state[s] ~ normal(mu_alpha, sigma_alpha_state)
 *   mu_beta_state[s]  ~ normal(mu_beta, sigma_beta_state)
 *
 * Alpha and beta are integrated out of the posterior and drawn exactly afterwards; the
 * means of the few states are sampled. A state's many houses say much about its level,
 * so levels are sampled as they stand, unless no house informs them; but about its
 * floor effect they say no more than the other states do, so floor effects are sampled
 * as distances from the mean of all states.
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
  int<lower=1> S;                               // States
  array[J] int<lower=1, upper=S> state;         // State of each county

  real prior_mu_alpha_loc;                      // Prior mean of the mean basement level of all states, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the mean floor effect of all states, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real<lower=0> prior_sigma_alpha_state_scale;  // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_alpha_state_upper;  // Upper bound, infinite: none
  real<lower=0> prior_sigma_beta_state_scale;   // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_beta_state_upper;   // Upper bound, infinite: none
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound, infinite: none
  real<lower=0> prior_sigma_beta_scale;         // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_beta_upper;         // Upper bound, infinite: none
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
  real mu_alpha;                                            // Mean basement level of all states, log pCi/L
  real mu_beta;                                             // Mean floor effect of all states, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_state_upper> sigma_alpha_state; // Spread of basement levels between states
  real<lower=0, upper=prior_sigma_beta_state_upper> sigma_beta_state;   // Spread of floor effects between states
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha; // Spread of basement levels within a state
  real<lower=0, upper=prior_sigma_beta_upper> sigma_beta;   // Spread of floor effects within a state
  real<lower=0, upper=prior_sigma_upper> sigma;             // Spread between houses, log pCi/L
  vector[S] alpha_state_free;                               // Mean basement levels; in the prior alone, their distances
  vector[S] beta_state_tilde;                               // Mean floor effects, in sigma_beta_state from mu_beta
}
transformed parameters {
  vector[S] mu_alpha_state = alpha_state_free;             // Mean basement level of each state, log pCi/L
  vector[S] mu_beta_state = mu_beta                         // Mean floor effect of each state, log pCi/L
                            + sigma_beta_state * beta_state_tilde;
  if (prior_only)
    mu_alpha_state = mu_alpha + sigma_alpha_state * alpha_state_free;
}
model {
  // Prior model: the study's scales; with (0, 10) and 1 they say
  mu_alpha ~ normal(prior_mu_alpha_loc, prior_mu_alpha_scale);  // -23 <~ mu_alpha <~ 23
  mu_beta ~ normal(prior_mu_beta_loc, prior_mu_beta_scale);     // -23 <~ mu_beta <~ 23
  sigma_alpha_state / prior_sigma_alpha_state_scale ~ std_normal();  // 0 <~ sigma_alpha_state <~ 2.6
  sigma_beta_state / prior_sigma_beta_state_scale ~ std_normal();    // 0 <~ sigma_beta_state <~ 2.6
  sigma_alpha / prior_sigma_alpha_scale ~ std_normal();         // 0 <~ sigma_alpha <~ 2.6
  sigma_beta / prior_sigma_beta_scale ~ std_normal();           // 0 <~ sigma_beta <~ 2.6
  sigma / prior_sigma_scale ~ std_normal();                     // 0 <~ sigma <~ 2.6
  if (prior_only)
    alpha_state_free ~ std_normal();                           // 99% of states within 2.6 sigma_alpha_state
  else
    alpha_state_free ~ normal(mu_alpha, sigma_alpha_state);    // The same
  beta_state_tilde ~ std_normal();                              // 99% of states within 2.6 sigma_beta_state

  // Observational model, with the states' populations of alpha and beta in it
  mean_y ~ common_marginal(houses, squares, mu_alpha_state[state], mu_beta_state[state],
                           sigma_alpha, sigma_beta, 0, sigma);
}
generated quantities {
  vector[J] alpha;                              // County basement levels, log pCi/L
  vector[J] beta;                               // County floor effects, log pCi/L
  vector[m] log_lik;                            // Log density of each scored house
  vector[m] y_rep;                              // Replicated radon of each scored house, log pCi/L
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses, mu_alpha_state[state],
                                              mu_beta_state[state], sigma_alpha, sigma_beta, 0,
                                              rep_vector(sigma, J));
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
