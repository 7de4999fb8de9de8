// Losses of decisions in closed form, as in python/pooling/deciding/tree.py, where they are
// explained. Radon in pCi/L: { mean, sd, weight, prior, shift }, of which all but the last have one
// number per component and weights have sum 1; before a test, weight is prior.

// Marsaglia (2004), Journal of Statistical Software 11, issue 4.
function normal(x) {
  if (Math.abs(x) > 8) return +(x > 0);
  let sum = x, before = 0, term = x;
  for (let k = 3; sum !== before; k += 2) {
    before = sum;
    term *= x * x / k;
    sum += term;
  }
  return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
}

// Nodes and weights of Gauss and Legendre between 0 and 1, by Newton's method.
const QUADRATURE = Array.from({ length: 48 }, (_, i) => {
  const n = 48;
  let x = Math.cos(Math.PI * (i + 0.75) / (n + 0.5)), slope = 1;
  for (let step = 0; step < 8; step++) {
    let [before, value] = [1, x];
    for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
    slope = n * (x * value - before) / (x * x - 1);
    x -= value / slope;
  }
  return [(1 + x) / 2, 1 / ((1 - x * x) * slope * slope)];
});

// Pr(X < x, Y < y) of standard normal variables with a correlation from 0 on. Its derivative in the
// correlation is their density (Plackett 1954, Biometrika 41:351); with the correlation as a cosine,
// and its angle on a logarithmic scale, the integrand is smooth up to a correlation of 1.
function bivariate(x, y, correlation) {
  [x, y] = [x, y].map((value) => Math.min(Math.max(value, -12), 12));
  const low = Math.log(Math.max(Math.acos(correlation), 1e-9)), range = Math.log(Math.PI / 2) - low;
  let sum = 0;
  for (const [node, weight] of QUADRATURE) {
    const angle = Math.exp(low + range * node);
    const far = ((x - y) ** 2 + 4 * x * y * Math.sin(angle / 2) ** 2) / (2 * Math.sin(angle) ** 2);
    sum += weight * angle * Math.exp(-far);
  }
  return normal(x) * normal(y) + sum * range / (2 * Math.PI);
}

const average = (radon, values) => values.reduce((sum, value, k) => sum + radon.weight[k] * value, 0);
const expected = ({ mean, sd, shift }) => Array.from(mean, (m, k) => Math.exp(m + sd[k] ** 2 / 2) - shift);

// E(max(R - level, 0)) given each component.
function excess({ mean, sd, shift }, from) {
  const cap = from + shift;
  return Array.from(mean, (m, k) => {
    const z = (m - Math.log(cap)) / sd[k];
    return Math.exp(m + sd[k] ** 2 / 2) * normal(z + sd[k]) - cap * normal(z);
  });
}

// Standard deviation of a test's log reading, and its covariance with log radon.
function reading(test, sd) {
  const seen = sd ** 2 - test.factor_sd ** 2;
  return [Math.sqrt(seen + test.noise ** 2), seen];
}

// Radon of a house after a log reading of its test.
function updated(radon, test, log) {
  const parts = Array.from(radon.mean, (mean, k) => {
    const [sd, covariance] = reading(test, radon.sd[k]), z = (log - mean) / sd;
    const variance = Math.max(radon.sd[k] ** 2 - (covariance / sd) ** 2, 1e-12);
    return { mean: mean + covariance / sd * z, sd: Math.sqrt(variance), log: Math.log(radon.weight[k]) - z ** 2 / 2 - Math.log(sd) };
  });
  const highest = Math.max(...parts.map((part) => part.log));
  const weight = parts.map((part) => Math.exp(part.log - highest)), total = weight.reduce((a, b) => a + b);
  return {
    ...radon, mean: parts.map((part) => part.mean), sd: parts.map((part) => part.sd),
    weight: weight.map((value) => value / total),
  };
}

// Log reading above which to remedy: Infinity if none justifies it, -Infinity if all do.
function limit(problem, radon, test) {
  const gains = (log) => {
    const after = updated(radon, test, log);
    return problem.value * average(after, excess(after, problem.remedied)) > problem.remedy;
  };
  let [low, high] = [-25, 25];
  if (gains(low)) return -Infinity;
  if (!gains(high)) return Infinity;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (gains(middle)) high = middle;
    else low = middle;
  }
  return high;
}

// Losses of each action given each component, dollars.
function losses(problem, radon, test) {
  const { value, remedy, remedied } = problem, cap = remedied + radon.shift, from = limit(problem, radon, test);
  const mean = expected(radon), above = excess(radon, remedied);
  const nothing = mean.map((radonOf) => value * radonOf);
  return {
    nothing,
    measure: nothing.map((loss, k) => {
      const sd = radon.sd[k], [spread, covariance] = reading(test, sd);
      const correlation = covariance / (spread * sd);
      const z = (radon.mean[k] - Math.log(cap)) / sd, w = (radon.mean[k] - from) / spread;
      const whole = Math.exp(radon.mean[k] + sd ** 2 / 2);
      const gained = whole * bivariate(z + sd, w + covariance / spread, correlation) - cap * bivariate(z, w, correlation);
      return test.cost + (1 + test.wait) * loss + remedy * normal(w) - value * Math.max(gained, 0);
    }),
    remedy: mean.map((radonOf, k) => remedy + value * (radonOf - above[k])),
  };
}

// Monte Carlo standard error of an expectation, where `share` is that of a mean over its standard
// deviation between draws; after a test, that of the ratio of two expectations.
function monteCarlo(radon, values, share) {
  const mean = average(radon, values);
  return share * Math.sqrt(values.reduce((sum, value, k) =>
    sum + (radon.weight[k] * (value - mean)) ** 2 / radon.prior[k], 0));
}
