/*
 * Partial pooling of intercepts, centered: county intercepts are drawn from a
 * population whose mean and spread are learned with them; the slope is common.
 *
 *   log_radon ~ normal(alpha[county] + mu_beta * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha, sigma_alpha)
 *
 * alpha is sampled as it stands. Every house says something of its county's intercept,
 * so unlike slopes the intercepts are informed well enough for it. In the prior alone
 * no house informs them, and they would make a funnel that the sampler cannot follow:
 * there, and only there, it moves in their distances from the population mean, as
 * always in varying_intercept_noncentered.stan, which is the same posterior.
 */
data {
  int<lower=0> N;                               // Houses
  int<lower=1> J;                               // Counties
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L

  real prior_mu_alpha_loc;                      // Prior mean of the mean basement level, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the floor effect, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
  real<lower=0> prior_sigma_alpha_scale;        // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_alpha_upper;        // Upper bound, infinite: none
  real<lower=0> prior_sigma_scale;              // Half-normal scale, infinite: uniform
  real<lower=0> prior_sigma_upper;              // Upper bound, infinite: none

  int<lower=0, upper=N> held_out;               // Houses at the end that are predicted, not fitted
  int<lower=0, upper=1> prior_only;             // 1 fits no house
  int<lower=0, upper=1> pointwise;              // 0 leaves out log_lik and y_rep
}
transformed data {
  int n = prior_only ? 0 : N - held_out;                    // Houses that inform the fit
  int m = pointwise ? (held_out ? held_out : N) : 0;        // Houses that are scored: those held out, or all
  array[n] int c = head(county, n);                         // Their county
  vector[n] x = head(floor_measure, n);                     // Their floor
  vector[n] y = head(log_radon, n);                         // Their radon, log pCi/L
}
parameters {
  real mu_alpha;                                            // Mean basement level, log pCi/L
  real mu_beta;                                             // Floor effect, the same in all counties, log pCi/L
  real<lower=0, upper=prior_sigma_alpha_upper> sigma_alpha; // Spread of basement levels between counties
  real<lower=0, upper=prior_sigma_upper> sigma;             // Spread between houses, log pCi/L
  vector[J] alpha_free;                                     // County basement levels; in the prior alone, their distances
}
transformed parameters {
  vector[J] alpha = alpha_free;                            // County basement levels, log pCi/L
  vector[J] beta = rep_vector(mu_beta, J);                  // County floor effects, all the same
  if (prior_only)
    alpha = mu_alpha + sigma_alpha * alpha_free;
}
model {
  // Prior model: the study's scales; with (0, 10) and 1 they say
  mu_alpha ~ normal(prior_mu_alpha_loc, prior_mu_alpha_scale);  // -23 <~ mu_alpha <~ 23
  mu_beta ~ normal(prior_mu_beta_loc, prior_mu_beta_scale);     // -23 <~ mu_beta <~ 23
  sigma_alpha / prior_sigma_alpha_scale ~ std_normal();         // 0 <~ sigma_alpha <~ 2.6
  sigma / prior_sigma_scale ~ std_normal();                     // 0 <~ sigma <~ 2.6
  if (prior_only)
    alpha_free ~ std_normal();                                 // 99% of counties within 2.6 sigma_alpha
  else
    alpha_free ~ normal(mu_alpha, sigma_alpha);                // The same

  // Observational model
  y ~ normal(alpha[c] + mu_beta * x, sigma);
}
generated quantities {
  vector[m] log_lik;                            // Log density of each scored house
  vector[m] y_rep;                              // Replicated radon of each scored house, log pCi/L
  if (m > 0) {
    vector[m] mu = tail(alpha[county] + beta[county] .* floor_measure, m);
    for (i in 1 : m)
      log_lik[i] = normal_lpdf(log_radon[N - m + i] | mu[i], sigma);
    y_rep = to_vector(normal_rng(mu, sigma));
  }
}
