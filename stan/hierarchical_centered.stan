/*
 * Centered partial pooling: county intercepts and slopes come from a population whose
 * means and standard deviations are estimated along with them.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha, sigma_alpha)
 *   beta[j]   ~ normal(mu_beta, sigma_beta)
 *
 * The sampler moves in alpha and beta themselves. Where counties have few houses, this
 * creates a funnel that it cannot follow. hierarchical_noncentered.stan has the same
 * posterior in a geometry that it can; the two programs differ only in how alpha and
 * beta are declared.
 *
 * REML: y ~ floor + (1 | county) + (0 + floor | county)
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
parameters {
  real mu_alpha;                                              // Mean county intercept, log pCi/L
  real mu_beta;                                               // Mean county slope, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha;   // Standard deviation of county intercepts
  real<lower=0, upper=prior_sigma_beta_upper> sigma_beta;     // Standard deviation of county slopes
  real<lower=0, upper=prior_sigma_upper> sigma;               // Standard deviation of houses, log pCi/L
  vector[J] alpha;                                            // County intercepts, log pCi/L
  vector[J] beta;                                             // County slopes, log pCi/L
}
transformed parameters {
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)  // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)   // -23 to 23
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)          // 0 to 2.6
                + std_normal_lpdf(sigma_beta / prior_sigma_beta_scale)            // 0 to 2.6
                + std_normal_lpdf(sigma / prior_sigma_scale);                     // 0 to 2.6
}
model {
  target += lprior;
  alpha ~ normal(mu_alpha, sigma_alpha);        // 99% of counties within 2.6 sigma_alpha
  beta ~ normal(mu_beta, sigma_beta);           // 99% of counties within 2.6 sigma_beta

  // Observational model
  log_radon ~ normal(alpha[county] + beta[county] .* floor_measure, sigma);
}
generated quantities {
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept and slope integrated out
  vector[J] log_lik_county = county_log_lik(log_radon, county, floor_measure,
                                            rep_vector(mu_alpha, J), rep_vector(mu_beta, J),
                                            sigma_alpha, sigma_beta, 0, rep_matrix(sigma, J, 2));
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma);
    y_rep[i] = normal_rng(mu, sigma);
  }
}
