/*
 * Robust partial pooling: the model of hierarchical_noncentered.stan with Student-t errors,
 * so that a few outlying houses do not distort the estimates of their county.
 *
 *   log_radon ~ student_t(nu, alpha[county] + beta[county] * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha, sigma_alpha)
 *   beta[j]   ~ normal(mu_beta, sigma_beta)
 */
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
  real<lower=0> prior_nu_shape;                 // Gamma shape of the degrees of freedom
  real<lower=0> prior_nu_rate;                  // Gamma rate
}
parameters {
  real mu_alpha;                                              // Mean county intercept, log pCi/L
  real mu_beta;                                               // Mean county slope, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha;   // Standard deviation of county intercepts
  real<lower=0, upper=prior_sigma_beta_upper> sigma_beta;     // Standard deviation of county slopes
  real<lower=0, upper=prior_sigma_upper> sigma;               // Scale of the errors of houses, log pCi/L
  real<lower=1> nu;                                           // Degrees of freedom of the errors: heavy tails if few
  vector[J] alpha_tilde;                                      // Standardised intercepts, (alpha - mu_alpha) / sigma_alpha
  vector[J] beta_tilde;                                       // Standardised slopes, (beta - mu_beta) / sigma_beta
}
transformed parameters {
  vector[J] alpha = mu_alpha + sigma_alpha * alpha_tilde;     // County intercepts, log pCi/L
  vector[J] beta = mu_beta + sigma_beta * beta_tilde;         // County slopes, log pCi/L
  // Prior model, with the study's scales; under (0, 10) and 1 they imply
  real lprior = normal_lpdf(mu_alpha | prior_mu_alpha_loc, prior_mu_alpha_scale)  // -23 to 23
                + normal_lpdf(mu_beta | prior_mu_beta_loc, prior_mu_beta_scale)   // -23 to 23
                + std_normal_lpdf(sigma_alpha / prior_sigma_alpha_scale)          // 0 to 2.6
                + std_normal_lpdf(sigma_beta / prior_sigma_beta_scale)            // 0 to 2.6
                + std_normal_lpdf(sigma / prior_sigma_scale)                      // 0 to 2.6
                + gamma_lpdf(nu | prior_nu_shape, prior_nu_rate);                 // with 2 and 0.1: 1 to 66
}
model {
  target += lprior;
  alpha_tilde ~ std_normal();                   // 99% of counties within 2.6 sigma_alpha
  beta_tilde ~ std_normal();                    // 99% of counties within 2.6 sigma_beta

  // Observational model
  log_radon ~ student_t(nu, alpha[county] + beta[county] .* floor_measure, sigma);
}
generated quantities {
  vector[N_new] log_lik;                        // Log density of each house to predict
  vector[N_new] y_rep;                          // Replicated radon of each, log pCi/L
  for (i in 1 : N_new) {
    real mu = alpha[county_new[i]] + beta[county_new[i]] * floor_measure_new[i];
    log_lik[i] = student_t_lpdf(log_radon_new[i] | nu, mu, sigma);
    y_rep[i] = student_t_rng(nu, mu, sigma);
  }
}
