/*
 * Centered partial pooling of intercepts: county intercepts come from a population
 * whose mean and standard deviation are estimated along with them; the slope is common.
 *
 *   log_radon ~ normal(alpha[county] + mu_beta * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha, sigma_alpha)
 *
 * The sampler moves in alpha itself. Unlike slopes, intercepts are informed by every
 * house, which is enough for that. When no house is fitted nothing informs them, and
 * they would form a funnel that the sampler cannot follow: only then does it move in
 * standardised deviations from the population mean, as varying_intercept_noncentered.stan,
 * which has the same posterior, always does.
 *
 * REML: y ~ floor + (1 | county)
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
  real prior_mu_beta_loc;                       // Prior mean of the slope, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound; infinite: none
  real<lower=0> prior_sigma_scale;              // Half-normal scale; infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound; infinite: none
}
parameters {
  real mu_alpha;                                              // Mean county intercept, log pCi/L
  real mu_beta;                                               // Slope, the same in all counties, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha;   // Standard deviation of county intercepts
  real<lower=0, upper=prior_sigma_upper> sigma;               // Standard deviation of houses, log pCi/L
  vector[J] alpha_free;                                       // Intercepts; without houses, their deviations
}
transformed parameters {
  vector[J] alpha = N > 0 ? alpha_free : mu_alpha + sigma_alpha * alpha_free;   // County intercepts
  vector[J] beta = rep_vector(mu_beta, J);                                      // County slopes, all the same
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)  // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)   // -23 to 23
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)          // 0 to 2.6
                + std_normal_lpdf(sigma / prior_sigma_scale);                     // 0 to 2.6
}
model {
  target += lprior;
  if (N > 0)
    alpha_free ~ normal(mu_alpha, sigma_alpha); // 99% of counties within 2.6 sigma_alpha
  else
    alpha_free ~ std_normal();                  // The same in standard units

  // Observational model
  log_radon ~ normal(alpha[county] + beta[county] .* floor_measure, sigma);
}
generated quantities {
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  // Log density of each county's fitted houses, with its intercept integrated out
  vector[J] log_lik_county = county_log_lik(log_radon, county, floor_measure,
                                            rep_vector(mu_alpha, J), beta,
                                            sigma_alpha, 0, 0, rep_matrix(sigma, J, 2));
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = normal_lpdf(log_radon_new[i] | mu, sigma);
    y_rep[i] = normal_rng(mu, sigma);
  }
}
