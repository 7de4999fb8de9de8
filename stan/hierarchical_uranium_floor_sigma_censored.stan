/*
 * Partial pooling with soil uranium, a standard deviation per floor and a detection limit:
 * intercepts and slopes are each pulled towards what uranium predicts, houses vary differently
 * in basements and on first floors, and houses at or below the limit are left-censored.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma_<floor>)
 *               left-censored at log_limit
 *   alpha[j]  ~ normal(mu_alpha + gamma_alpha * log_uranium[j], sigma_alpha)
 *   beta[j]   ~ normal(mu_beta + gamma_beta * log_uranium[j], sigma_beta)
 *
 * A house at or below the limit contributes the probability of being there, so it does not
 * matter what number replaces its activity in the response. alpha and beta are integrated out
 * of the posterior and drawn exactly afterwards.
 */
functions {
  #include functions/censored.stanfunctions
}
data {
  int<lower=1> J;                               // Counties
  int<lower=0> N;                               // Houses to fit; with none, the posterior is the prior
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L
  real log_limit;                               // Detection limit, log pCi/L: radon up to it is censored
  vector[J] log_uranium;                        // Soil uranium of each county, log ppm

  int<lower=0> N_new;                                // Houses to predict: these, others, or none
  array[N_new] int<lower=1, upper=J> county_new;     // County of each
  vector<lower=0, upper=1>[N_new] floor_measure_new; // 0 basement, 1 first floor
  vector[N_new] log_radon_new;                       // Radon if known, log pCi/L: only log_lik reads it

  real prior_mu_alpha_loc;                      // Prior mean of the mean intercept, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the mean slope, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real prior_gamma_alpha_loc;                   // Prior mean of the effect of uranium on intercepts
  real<lower=0> prior_gamma_alpha_scale;        // Its standard deviation
  real prior_gamma_beta_loc;                    // Prior mean of the effect of uranium on slopes
  real<lower=0> prior_gamma_beta_scale;         // Its standard deviation
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound; infinite: none
  real<lower=0> prior_sigma_beta_scale;         // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_beta_upper;         // Upper bound; infinite: none
  real<lower=0> prior_sigma_scale;              // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound; infinite: none
}
transformed data {
  // Houses above the limit of each county by floor, their mean log radon, and sums of squares
  // around it; and houses up to the limit
  array[size(occupied(log_radon - log_limit))] int above = occupied(log_radon - log_limit);
  matrix[J, 2] houses = cell_counts(county[above], floor_measure[above], J);
  matrix[J, 2] mean_y = cell_means(log_radon[above], county[above], floor_measure[above], J);
  matrix[J, 2] squares = within_squares(log_radon[above], county[above], floor_measure[above], J);
  matrix[J, 2] censored = cell_counts(county, floor_measure, J) - houses;
}
parameters {
  real mu_alpha;                                              // Mean intercept where uranium is 1 ppm, log pCi/L
  real mu_beta;                                               // Mean slope where uranium is 1 ppm, log pCi/L
  real gamma_alpha;                                           // Change of the intercept per unit of log uranium
  real gamma_beta;                                            // Change of the slope per unit of log uranium
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha;   // Standard deviation of county intercepts
  real<lower=0, upper=prior_sigma_beta_upper> sigma_beta;     // Standard deviation of county slopes
  real<lower=0, upper=prior_sigma_upper> sigma_basement;      // Standard deviation of houses in basements, log pCi/L
  real<lower=0, upper=prior_sigma_upper> sigma_first_floor;   // The same on first floors
}
transformed parameters {
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)            // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)             // -23 to 23
                + normal_lpdf(gamma_alpha | prior_gamma_alpha_loc, prior_gamma_alpha_scale) // -23 to 23
                + normal_lpdf(gamma_beta | prior_gamma_beta_loc, prior_gamma_beta_scale)    // -23 to 23
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)                    // 0 to 2.6
                + std_normal_lpdf(sigma_beta / prior_sigma_beta_scale)                      // 0 to 2.6
                + std_normal_lpdf(sigma_basement / prior_sigma_scale)                       // 0 to 2.6
                + std_normal_lpdf(sigma_first_floor / prior_sigma_scale);                   // 0 to 2.6
}
model {
  target += lprior;

  // Observational model, with the county effects integrated out
  target += sum(censored_county_log_density(mean_y, houses, squares, censored, log_limit,
                                            mu_alpha + gamma_alpha * log_uranium,
                                            mu_beta + gamma_beta * log_uranium,
                                            sigma_alpha, sigma_beta, 0,
                                            rep_matrix([sigma_basement, sigma_first_floor], J)));
}
generated quantities {
  vector[J] alpha;                              // County intercepts, log pCi/L
  vector[J] beta;                               // County slopes, log pCi/L
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept and slope integrated out
  vector[J] log_lik_county
    = censored_county_log_density(mean_y, houses, squares, censored, log_limit,
                                  mu_alpha + gamma_alpha * log_uranium,
                                  mu_beta + gamma_beta * log_uranium,
                                  sigma_alpha, sigma_beta, 0,
                                  rep_matrix([sigma_basement, sigma_first_floor], J));
  {
    matrix[J, 2] effects = censored_county_effects_rng(mean_y, houses, censored, log_limit,
                                                       mu_alpha + gamma_alpha * log_uranium,
                                                       mu_beta + gamma_beta * log_uranium,
                                                       sigma_alpha, sigma_beta, 0,
                                                       rep_matrix([sigma_basement, sigma_first_floor], J));
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    real sigma = floor_measure_new[i] == 1 ? sigma_first_floor : sigma_basement;
    log_lik[i] = log_radon_new[i] > log_limit ? normal_lpdf(log_radon_new[i] | mu, sigma)
                                              : normal_lcdf(log_limit | mu, sigma);
    y_rep[i] = normal_rng(mu, sigma);
  }
}
