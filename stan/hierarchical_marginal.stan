/*
 * Marginal partial pooling: the posterior of hierarchical_noncentered.stan with the
 * county effects integrated out, so that the sampler moves in five dimensions, however many
 * counties and houses there are.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha, sigma_alpha)
 *   beta[j]   ~ normal(mu_beta, sigma_beta)
 *
 * Given the standard deviations everything is normal. A county therefore enters through
 * the counts, means and sums of squares of its houses on each floor, and alpha and beta
 * are drawn exactly afterwards; README.md has the derivation. The sampler's coordinates,
 * `_free`, are chosen so that the posterior is nearly normal and equally wide for every
 * survey.
 *
 * REML: y ~ floor + (1 | county) + (0 + floor | county)
 */
functions {
  #include functions/county_marginal.stanfunctions
  #include functions/bounded_softplus.stanfunctions
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

  real prior_mu_alpha_loc;                      // Prior mean of the mean intercept, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the mean slope, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
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
  matrix[J, 4] counts = count_products(houses);
  matrix[J, 12] means = mean_squares(mean_y, houses);
  int measured = size(occupied(houses * [1, 1]'));  // Counties with a house; others have no effect
  real sigma_hat = pooled_sd(squares, houses);
  real information = sqrt(2 * N + 1);           // Posterior sd of log(sigma) is about its inverse
  real unit_alpha = sd_unit(sigma_hat, N, measured,
                            prior_sigma_alpha_scale, prior_sigma_alpha_upper);
  real unit_beta = sd_unit(sigma_hat, N, measured,
                           prior_sigma_beta_scale, prior_sigma_beta_upper);
}
parameters {
  real mu_alpha;                                              // Mean county intercept, log pCi/L
  real mu_beta;                                               // Mean county slope, log pCi/L
  real sigma_alpha_free;                                      // Coordinate of sigma_alpha
  real sigma_beta_free;                                       // Coordinate of sigma_beta
  real<upper=information * log(prior_sigma_upper / sigma_hat)> sigma_free; // Coordinate of sigma
}
transformed parameters {
  // Standard deviations of county intercepts, of county slopes and of houses, log pCi/L
  real<lower=0> sigma_alpha = bounded_softplus(sigma_alpha_free, unit_alpha, prior_sigma_alpha_upper);
  real<lower=0> sigma_beta = bounded_softplus(sigma_beta_free, unit_beta, prior_sigma_beta_upper);
  real<lower=0> sigma = sigma_hat * exp(sigma_free / information);
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)  // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)   // -23 to 23
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)          // 0 to 2.6
                + std_normal_lpdf(sigma_beta / prior_sigma_beta_scale)            // 0 to 2.6
                + std_normal_lpdf(sigma / prior_sigma_scale);                     // 0 to 2.6
}
model {
  target += lprior;
  // Jacobian: the priors are of standard deviations, the sampler moves in other numbers
  target += bounded_softplus_log_derivative(sigma_alpha_free, unit_alpha, prior_sigma_alpha_upper)
            + bounded_softplus_log_derivative(sigma_beta_free, unit_beta, prior_sigma_beta_upper)
            + sigma_free / information;         // d sigma = sigma / information d sigma_free

  // Observational model, with the county effects integrated out
  means ~ population_marginal(counts, sum(squares), mu_alpha, mu_beta,
                              sigma_alpha, sigma_beta, sigma);
}
generated quantities {
  vector[J] alpha;                              // County intercepts, log pCi/L
  vector[J] beta;                               // County slopes, log pCi/L
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept and slope integrated out
  vector[J] log_lik_county = county_log_density(mean_y, houses, squares,
                                                rep_vector(mu_alpha, J), rep_vector(mu_beta, J),
                                                sigma_alpha, sigma_beta, 0, rep_matrix(sigma, J, 2));
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses, rep_vector(mu_alpha, J),
                                              rep_vector(mu_beta, J), sigma_alpha, sigma_beta, 0,
                                              rep_matrix(sigma, J, 2));
    alpha = effects[, 1];
    beta = effects[, 2];
  }
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma);
    y_rep[i] = normal_rng(mu, sigma);
  }
}
