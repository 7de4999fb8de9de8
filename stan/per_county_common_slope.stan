/*
 * No pooling of intercepts: every county has its own and learns nothing about it from
 * the others. The slope and the standard deviation of houses are common to all.
 *
 *   log_radon ~ normal(alpha[county] + mu_beta * floor_measure, sigma)
 *
 * As a regression this is floor + county (Gelman and Hill 2007, section 12.2). alpha is
 * integrated out of the posterior and drawn exactly afterwards.
 *
 * Least squares: y ~ floor + county
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
  real prior_mu_beta_loc;                       // Prior mean of the slope, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real<lower=0> prior_sigma_scale;              // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound; infinite: none
}
transformed data {
  // Houses of each county by floor, their mean log radon, and sums of squares around it
  matrix[J, 2] houses = cell_counts(county, floor_measure, J);
  matrix[J, 2] mean_y = cell_means(log_radon, county, floor_measure, J);
  matrix[J, 2] squares = within_squares(log_radon, county, floor_measure, J);
}
parameters {
  real mu_beta;                                               // Slope, the same in all counties, log pCi/L
  real<lower=0, upper=prior_sigma_upper> sigma;               // Standard deviation of houses, log pCi/L
}
transformed parameters {
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior_sampled = normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)  // -23 to 23
                + std_normal_lpdf(sigma / prior_sigma_scale);                  // 0 to 2.6
}
model {
  target += lprior_sampled;

  // Observational model, with the county effects integrated out
  mean_y ~ common_marginal(houses, sum(squares), rep_vector(prior_alpha_loc, J),
                           rep_vector(mu_beta, J), prior_alpha_scale, 0, 0, sigma);
}
generated quantities {
  vector[J] alpha;                              // County intercepts, log pCi/L
  vector[J] beta;                               // County slopes, log pCi/L
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept and slope integrated out
  vector[J] log_lik_county = county_log_density(mean_y, houses, squares,
                                                rep_vector(prior_alpha_loc, J),
                                                rep_vector(mu_beta, J),
                                                prior_alpha_scale, 0, 0, rep_matrix(sigma, J, 2));
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses,
                                              rep_vector(prior_alpha_loc, J),
                                              rep_vector(mu_beta, J),
                                              prior_alpha_scale, 0, 0, rep_matrix(sigma, J, 2));
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  real lprior = lprior_sampled + normal_lpdf(alpha | prior_alpha_loc, prior_alpha_scale);
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma);
    y_rep[i] = normal_rng(mu, sigma);
  }
}
