/*
 * Partial pooling, county effects integrated out: the posterior of
 * hierarchical_centered.stan and hierarchical_noncentered.stan, sampled in its five
 * population parameters alone.
 *
 *   log_radon ~ normal(alpha[county] + beta[county] * floor_measure, sigma)
 *   alpha[j]  ~ normal(mu_alpha, sigma_alpha)
 *   beta[j]   ~ normal(mu_beta, sigma_beta)
 *
 * Given the spreads everything is normal, so a county enters by the counts, means and
 * squares of its houses on each floor, however many they are, and alpha and beta are
 * drawn exactly afterwards. README.md derives it. The sampler moves in numbers, `_free`,
 * in which the posterior is near normal and as wide whatever the survey: log(sigma) from a
 * first guess, stretched to what that many houses tell of it, and spreads between counties
 * on a scale that is linear where they are not next to nothing.
 */
functions {
  #include functions/county_marginal.stanfunctions
  #include functions/spread.stanfunctions
}
data {
  int<lower=0> N;                               // Houses
  int<lower=1> J;                               // Counties
  array[N] int<lower=1, upper=J> county;        // County of each house
  vector<lower=0, upper=1>[N] floor_measure;    // 0 basement, 1 first floor
  vector[N] log_radon;                          // Radon, log pCi/L

  real prior_mu_alpha_loc;                      // Prior mean of the mean basement level, log pCi/L
  real<lower=0> prior_mu_alpha_scale;           // Its standard deviation
  real prior_mu_beta_loc;                       // Prior mean of the mean floor effect, log pCi/L
  real<lower=0> prior_mu_beta_scale;            // Its standard deviation
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
  matrix[J, 4] counts = count_products(houses);
  matrix[J, 12] means = mean_squares(mean_y, houses);
  int cells = size(occupied(to_vector(houses)));                  // Floors of counties that have houses
  real sigma_hat = squares > 0 ? sqrt(squares / (n - cells)) : 1; // Spread within them, log pCi/L
  real k = sqrt(2 * n + 1);                     // n houses tell log(sigma) to about 1 / k
  // J counties tell a spread between them to about this; few leave it to the prior, log pCi/L
  real told = n && J > 4 ? sigma_hat / sqrt(J) : positive_infinity();
  real unit_alpha = fmin(told, fmin(prior_sigma_alpha_scale, prior_sigma_alpha_upper));
  real unit_beta = fmin(told, fmin(prior_sigma_beta_scale, prior_sigma_beta_upper));
}
parameters {
  real mu_alpha;                                            // Mean basement level, log pCi/L
  real mu_beta;                                             // Mean floor effect, log pCi/L
  real sigma_alpha_free;                                    // sigma_alpha, in units of unit_alpha if large
  real sigma_beta_free;                                     // sigma_beta, in units of unit_beta if large
  real<upper=k * log(prior_sigma_upper / sigma_hat)> sigma_free; // k log(sigma / sigma_hat), as wide for any n
}
transformed parameters {
  // Spreads of basement levels and of floor effects between counties, log pCi/L
  real<lower=0> sigma_alpha = spread(sigma_alpha_free, unit_alpha, prior_sigma_alpha_upper);
  real<lower=0> sigma_beta = spread(sigma_beta_free, unit_beta, prior_sigma_beta_upper);
  real<lower=0> sigma = sigma_hat * exp(sigma_free / k);    // Spread between houses, log pCi/L
}
model {
  // Prior model: the study's scales; with (0, 10) and 1 they say
  mu_alpha ~ normal(prior_mu_alpha_loc, prior_mu_alpha_scale);  // -23 <~ mu_alpha <~ 23
  mu_beta ~ normal(prior_mu_beta_loc, prior_mu_beta_scale);     // -23 <~ mu_beta <~ 23
  sigma_alpha / prior_sigma_alpha_scale ~ std_normal();         // 0 <~ sigma_alpha <~ 2.6
  sigma_beta / prior_sigma_beta_scale ~ std_normal();           // 0 <~ sigma_beta <~ 2.6
  sigma / prior_sigma_scale ~ std_normal();                     // 0 <~ sigma <~ 2.6
  // These are priors of spreads, and the sampler moves in other numbers
  target += spread_log_slope(sigma_alpha_free, unit_alpha, prior_sigma_alpha_upper)
            + spread_log_slope(sigma_beta_free, unit_beta, prior_sigma_beta_upper)
            + sigma_free / k;                                   // d sigma = sigma / k d sigma_free

  // Observational model, with the population of alpha and beta in it
  means ~ population_marginal(counts, squares, mu_alpha, mu_beta, sigma_alpha, sigma_beta, sigma);
}
generated quantities {
  vector[J] alpha;                              // County basement levels, log pCi/L
  vector[J] beta;                               // County floor effects, log pCi/L
  vector[m] log_lik;                            // Log density of each scored house
  vector[m] y_rep;                              // Replicated radon of each scored house, log pCi/L
  {
    matrix[J, 2] effects = county_effects_rng(mean_y, houses, rep_vector(mu_alpha, J),
                                              rep_vector(mu_beta, J), sigma_alpha, sigma_beta, 0,
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
