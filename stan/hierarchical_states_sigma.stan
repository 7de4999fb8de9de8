/*
 * Partial pooling in three levels with a standard deviation per state: houses in counties,
 * counties in states. Every state has its own population of intercepts and of slopes, and the
 * means of these come from a population of states. Houses vary differently in each state.
 *
 *   log_radon         ~ normal(alpha[county] + beta[county] * floor_measure, sigma_state[state])
 *   alpha[j]          ~ normal(mu_alpha_state[state[j]], sigma_alpha)
 *   beta[j]           ~ normal(mu_beta_state[state[j]], sigma_beta)
 *   mu_alpha_state[s] ~ normal(mu_alpha, sigma_alpha_state)
 *   mu_beta_state[s]  ~ normal(mu_beta, sigma_beta_state)
 *
 * alpha and beta are integrated out of the posterior and drawn exactly afterwards; the
 * means of the few states are sampled. The many houses of a state determine its mean
 * intercept well, so mean intercepts are sampled directly, unless no house is fitted. They
 * determine its mean slope about as well as the other states do, so its deviation from
 * mu_beta is sampled in a unit between both: sigma_beta_state where that is small, what
 * the houses leave uncertain where it is large (partially non-centered; Papaspiliopoulos,
 * Roberts and Skold 2007, Statistical Science 22:59-73). A state's standard
 * deviation of houses has a prior of its own: its houses determine it without a population.
 */
functions {
  #include functions/county_marginal.stanfunctions
  #include functions/states.stanfunctions
}
data {
  int<lower=1> J;                               // Counties
  int<lower=0> N;                               // Houses to fit; with none, the posterior is the prior
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L
  int<lower=1> S;                               // States
  array[J] int<lower=1, upper=S> state;         // State of each county

  int<lower=0> N_new;                                // Houses to predict: these, others, or none
  array[N_new] int<lower=1, upper=J> county_new;     // County of each
  vector<lower=0, upper=1>[N_new] floor_measure_new; // 0 basement, 1 first floor
  vector[N_new] log_radon_new;                       // Radon if known, log pCi/L: only log_lik reads it

  real prior_mu_alpha_loc;                      // Prior mean of the mean intercept of all states, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the mean slope of all states, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real<lower=0> prior_sigma_alpha_state_scale;  // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_alpha_state_upper;  // Upper bound; infinite: none
  real<lower=0> prior_sigma_beta_state_scale;   // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_beta_state_upper;   // Upper bound; infinite: none
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound; infinite: none
  real<lower=0> prior_sigma_beta_scale;         // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_beta_upper;         // Upper bound; infinite: none
  real<lower=0> prior_sigma_scale;              // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound; infinite: none
}
transformed data {
  // Houses of each county by floor, their mean log radon, and sums of squares around it
  matrix[J, 2] houses = cell_counts(county, floor_measure, J);
  matrix[J, 2] mean_y = cell_means(log_radon, county, floor_measure, J);
  matrix[J, 2] squares = within_squares(log_radon, county, floor_measure, J);
  vector[S] slope_precision = slope_precisions(houses, state, S);  // Of each state's mean, roughly
}
parameters {
  real mu_alpha;                                              // Mean intercept of all states, log pCi/L
  real mu_beta;                                               // Mean slope of all states, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_state_upper> sigma_alpha_state;  // Standard deviation of the states' mean intercepts
  real<lower=0, upper=prior_sigma_beta_state_upper> sigma_beta_state;  // Standard deviation of the states' mean slopes
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha;   // Standard deviation of intercepts in a state
  real<lower=0, upper=prior_sigma_beta_upper> sigma_beta;     // Standard deviation of slopes in a state
  vector<lower=0, upper=prior_sigma_upper>[S] sigma_state;    // Standard deviation of houses in each state, log pCi/L
  vector[S] alpha_state_free;                                 // Mean intercepts; without houses, their deviations
  vector[S] beta_state_free;                                  // Deviations of the mean slopes from mu_beta, scaled
}
transformed parameters {
  // Mean intercept and slope of each state, log pCi/L
  vector[S] mu_alpha_state = N > 0 ? alpha_state_free
                             : mu_alpha + sigma_alpha_state * alpha_state_free;
  vector[S] mu_beta_state = mu_beta + sigma_beta_state * beta_state_free
                                      ./ sqrt(1 + square(sigma_beta_state) * slope_precision);
  // Standard deviation of houses in each county: that of its state, log pCi/L
  vector<lower=0>[J] sigma = sigma_state[state];
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)      // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)       // -23 to 23
                + std_normal_lpdf(sigma_alpha_state / prior_sigma_alpha_state_scale)  // 0 to 2.6
                + std_normal_lpdf(sigma_beta_state / prior_sigma_beta_state_scale)    // 0 to 2.6
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)              // 0 to 2.6
                + std_normal_lpdf(sigma_beta / prior_sigma_beta_scale)                // 0 to 2.6
                + std_normal_lpdf(sigma_state / prior_sigma_scale);                   // 0 to 2.6 each
}
model {
  target += lprior;
  if (N > 0)
    alpha_state_free ~ normal(mu_alpha, sigma_alpha_state);     // 99% of states within 2.6 sigma_alpha_state
  else
    alpha_state_free ~ std_normal();                            // The same in standard units
  beta_state_free ~ normal(0, sqrt(1 + square(sigma_beta_state) * slope_precision));  // The same

  // Observational model, with the county effects integrated out
  target += sum(county_log_density(mean_y, houses, squares, mu_alpha_state[state],
                                   mu_beta_state[state], sigma_alpha, sigma_beta, 0,
                                   rep_matrix(sigma, 2)));
}
generated quantities {
  vector[J] alpha;                              // County intercepts, log pCi/L
  vector[J] beta;                               // County slopes, log pCi/L
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept and slope integrated out
  vector[J] log_lik_county = county_log_density(mean_y, houses, squares,
                                                mu_alpha_state[state],
                                                mu_beta_state[state],
                                                sigma_alpha, sigma_beta, 0, rep_matrix(sigma, 2));
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses,
                                              mu_alpha_state[state],
                                              mu_beta_state[state],
                                              sigma_alpha, sigma_beta, 0, rep_matrix(sigma, 2));
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma[county_new[i]]);
    y_rep[i] = normal_rng(mu, sigma[county_new[i]]);
  }
}
