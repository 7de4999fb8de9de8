/*
 * Partial pooling with neighbouring counties: intercepts are correlated over space, so that a
 * county learns most from its neighbours; slopes vary independently.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma)
 *   alpha     ~ multi_normal(mu_alpha, K),
 *               K[i, j] = sigma_alpha^2 exp(-distance[i, j] / range_alpha)
 *   beta[j]   ~ normal(mu_beta, sigma_beta)
 *
 * As the range shrinks to 0 this becomes hierarchical_marginal.stan. alpha and beta are
 * integrated out of the posterior and drawn exactly afterwards; README.md has the derivation.
 */
functions {
  #include functions/spatial.stanfunctions
}
data {
  int<lower=1> J;                               // Counties
  int<lower=0> N;                               // Houses to fit; with none, the posterior is the prior
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L
  matrix<lower=0>[J, J] distance;               // Between counties, km; 0 to the double of a county

  int<lower=0> N_new;                                // Houses to predict: these, others, or none
  array[N_new] int<lower=1, upper=J> county_new;     // County of each
  vector<lower=0, upper=1>[N_new] floor_measure_new; // 0 basement, 1 first floor
  vector[N_new] log_radon_new;                       // Radon if known, log pCi/L: only log_lik reads it

  real prior_mu_alpha_loc;                      // Prior mean of the mean intercept, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the mean slope, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound; infinite: none
  real<lower=0> prior_range_alpha_shape;        // Inverse-gamma shape
  real<lower=0> prior_range_alpha_scale;        // Inverse-gamma scale, km
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
}
parameters {
  real mu_alpha;                                              // Mean county intercept, log pCi/L
  real mu_beta;                                               // Mean county slope, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha;   // Standard deviation of county intercepts
  real<lower=0> range_alpha_free;                             // Coordinate of range_alpha
  real<lower=0, upper=prior_sigma_beta_upper> sigma_beta;     // Standard deviation of county slopes
  real<lower=0, upper=prior_sigma_upper> sigma;               // Standard deviation of houses, log pCi/L
}
transformed parameters {
  // Distance at which the correlation of intercepts is 1 / e, km: neighbours inform its ratio
  // to the variance better than either
  real<lower=0> range_alpha = range_alpha_free * square(sigma_alpha);
  // Prior model, with the study's scales; under (0, 10), 1 and (2, 150) they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)            // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)             // -23 to 23
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)                    // 0 to 2.6
                + inv_gamma_lpdf(range_alpha | prior_range_alpha_shape, prior_range_alpha_scale)  // 23 to 1,010
                + std_normal_lpdf(sigma_beta / prior_sigma_beta_scale)                      // 0 to 2.6
                + std_normal_lpdf(sigma / prior_sigma_scale);                               // 0 to 2.6
}
model {
  target += lprior;
  target += 2 * log(sigma_alpha);               // Jacobian: the prior is of range_alpha

  // Observational model, with the county effects integrated out
  mean_y ~ spatial_marginal(houses, sum(squares), distance, rep_vector(mu_alpha, J),
                            rep_vector(mu_beta, J), sigma_alpha, range_alpha, sigma_beta, sigma);
}
generated quantities {
  vector[J] alpha;                              // County intercepts, log pCi/L
  vector[J] beta;                               // County slopes, log pCi/L
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses given those of the others, its effects integrated out
  vector[J] log_lik_county;
  {
    vector[J] mean_alpha = rep_vector(mu_alpha, J);
    vector[J] mean_beta = rep_vector(mu_beta, J);
    matrix[J, 2] noise = rep_matrix(sigma, J, 2);
    matrix[J, 2] known = intercept_score(mean_y, houses, mean_alpha, mean_beta, sigma_beta, sigma);
    matrix[J, 2] others = intercepts_left_out(known, distance, sigma_alpha, range_alpha);
    log_lik_county = spatial_log_density(county_log_density(mean_y, houses, squares, mean_alpha,
                                                            mean_beta, 0, sigma_beta, 0, noise),
                                         known, others);
    alpha = intercepts_rng(known, others, distance, mean_alpha, sigma_alpha, range_alpha);
    beta = county_effects_rng(mean_y, houses, alpha, mean_beta, 0, sigma_beta, 0, noise)[, 2];
  }
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma);
    y_rep[i] = normal_rng(mu, sigma);
  }
}
