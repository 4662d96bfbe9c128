// Distribution functions: normal, Student's t, gamma. Doubles in, doubles out, no state.

/** Value of a polynomial, coefficients from the constant upwards. */
function polynomial(c, x) {
  let out = c[c.length - 1];
  for (let i = c.length - 2; i >= 0; i--) out = out * x + c[i];
  return out;
}

// Wichura (1988), algorithm AS 241, doi:10.2307/2347330: accurate to about 1 part in 10^16.
const NEAR = [
  [3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
    45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727],
  [1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
    39307.89580009271061, 28729.085735721942674, 5226.495278852854561],
];
const MIDDLE = [
  [1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833,
    7.7454501427834140764e-4],
  [1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9],
];
const FAR = [
  [6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5,
    2.01033439929228813265e-7],
  [1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525,
    7.868691311456132591e-4, 1.8463183175100546818e-5, 1.4215117583164458887e-7,
    2.04426310338993978564e-15],
];

/** The z with P(Z <= z) = p. */
export function normalQuantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(NEAR[0], r)) / polynomial(NEAR[1], r);
  }
  const tail = q < 0 ? p : 1 - p;
  if (tail <= 0) return tail === 0 ? Math.sign(q) * Infinity : NaN;
  const r = Math.sqrt(-Math.log(tail));
  const [form, x] = r <= 5 ? [MIDDLE, r - 1.6] : [FAR, r - 5];
  return (Math.sign(q) * polynomial(form[0], x)) / polynomial(form[1], x);
}

/**
 * P(Z > x) for x >= 0, `e` being exp(-x^2 / 2). Cody (1969), Rational Chebyshev approximations for
 * the error function, doi:10.2307/2004390; in Horner's form, as everything waits for this.
 */
function upperTail(x, e) {
  const z = x * Math.SQRT1_2;
  if (z < 0.46875) {
    const s = z * z;
    const above = (((0.185777706184603153 * s + 3.1611237438705656) * s + 113.864154151050156) * s +
      377.485237685302021) * s + 3209.37758913846947;
    const below = (((s + 23.6012909523441209) * s + 244.024637934444173) * s +
      1282.61652607737228) * s + 2844.23683343917062;
    return 0.5 - (0.5 * z * above) / below;
  }
  if (z <= 4) {
    const above = (((((((2.15311535474403846e-8 * z + 0.564188496988670089) * z +
      8.88314979438837594) * z + 66.1191906371416295) * z + 298.635138197400131) * z +
      881.95222124176909) * z + 1712.04761263407058) * z + 2051.07837782607147) * z +
      1230.33935479799725;
    const below = (((((((z + 15.7449261107098347) * z + 117.693950891312499) * z +
      537.181101862009858) * z + 1621.38957456669019) * z + 3290.79923573345963) * z +
      4362.61909014324716) * z + 3439.36767414372164) * z + 1230.33935480374942;
    return (0.5 * e * above) / below;
  }
  const s = 1 / (z * z);
  const above = ((((0.0163153871373020978 * s + 0.305326634961232344) * s + 0.360344899949804439) *
    s + 0.125781726111229246) * s + 0.0160837851487422766) * s + 6.58749161529837803e-4;
  const below = ((((s + 2.56852019228982242) * s + 1.87295284992346725) * s +
    0.527905102951428412) * s + 0.0605183413124413191) * s + 0.00233520497626869185;
  return (0.5 * e * (1 / Math.sqrt(Math.PI) - (s * above) / below)) / z;
}

/** P(Z <= x). */
export function normalCdf(x) {
  const tail = upperTail(Math.abs(x), Math.exp(-0.5 * x * x));
  return x < 0 ? tail : 1 - tail;
}

/** Density of the standard normal. */
export function normalDensity(x) {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** Logarithm of the gamma function, for x > 0. */
export function logGamma(x) {
  let shift = 0;
  let y = x;
  if (y < 15) {
    let product = 1;
    for (; y < 15; y++) product *= y;
    shift = Math.log(product);
  }
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + stirling(y) - shift;
}

/** What Stirling's formula leaves out, for x >= 15. */
function stirling(x) {
  const r = 1 / (x * x);
  return (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / x;
}

/** x^a e^-x / Gamma(a + 1), no digits lost for large a near x = a. */
function gammaTerm(a, x) {
  if (a < 15) return Math.exp(a * Math.log(x) - x - logGamma(a + 1));
  const d = (x - a) / a;
  // log1p(d) - d loses its leading digits near d = 0: there by its series
  let gap = Math.log1p(d) - d;
  if (Math.abs(d) < 0.1) {
    gap = 0;
    for (let k = 17; k >= 2; k--) gap = gap * d + (k % 2 ? 1 : -1) / k;
    gap *= d * d;
  }
  return Math.exp(a * gap - stirling(a)) / Math.sqrt(2 * Math.PI * a);
}

/** [P(G <= x), P(G > x)] of a gamma variable of shape a > 0, the smaller by its own series. */
export function gammaCdf(a, x) {
  if (x <= 0) return [0, 1];
  if (x < a + 1) {
    let term = gammaTerm(a, x);
    let sum = term;
    for (let k = 1; term > sum * 1e-17; k++) {
      term *= x / (a + k);
      sum += term;
    }
    return [sum, 1 - sum];
  }
  // the continued fraction of the upper tail, by the modified Lentz method
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let k = 1; k < 1000000; k++) {
    const an = -k * (k - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  const upper = gammaTerm(a, x) * a * h;
  return [1 - upper, upper];
}

/** The x with P(G <= x) = p for a gamma variable of shape a: Halley's method on the smaller tail. */
export function gammaQuantile(a, p) {
  const z = normalQuantile(p);
  const cube = 1 - 1 / (9 * a) + z / (3 * Math.sqrt(a)); // Wilson and Hilferty's start
  let x = a * cube * cube * cube;
  if (!(cube > 0) || a < 1 || x < 0.3 * a) {
    const small = Math.exp((Math.log(p) + logGamma(a + 1)) / a); // P ~ x^a / Gamma(a + 1)
    x = cube > 0.3 && small > 0.5 ? x : small;
  }
  for (let round = 0; round < 60; round++) {
    const [lower, upper] = gammaCdf(a, x);
    const excess = p < 0.5 ? lower - p : 1 - p - upper;
    const newton = excess / ((gammaTerm(a, x) * a) / x);
    const bend = 0.5 * newton * ((a - 1) / x - 1);
    let step = newton / (1 - Math.min(0.5, Math.max(-0.5, bend)));
    if (step >= x) step = 0.9 * x;
    x -= step;
    if (Math.abs(step) < 1e-15 * x) break;
  }
  return x;
}

// Student's t. From LARGE_DF degrees of freedom on Hill's expansion is exact to 1e-11.
const LARGE_DF = 20;

/** P(T <= x) for whole degrees of freedom; Infinity is the normal. */
export function tCdf(x, df) {
  if (df === Infinity) return normalCdf(x);
  if (df >= LARGE_DF) return normalCdf(hill(x, df));
  const cos2 = df / (df + x * x);
  const sin = x / Math.sqrt(df + x * x);
  let term = 1;
  let sum = 0;
  if (df % 2 === 0) {
    for (let k = 1; k < df; k += 2) {
      sum += term;
      term *= (k * cos2) / (k + 1);
    }
    return 0.5 + 0.5 * sin * sum;
  }
  for (let k = 2; k < df; k += 2) {
    sum += term;
    term *= (k * cos2) / (k + 1);
  }
  const angle = Math.atan(x / Math.sqrt(df));
  return 0.5 + (angle + sin * Math.sqrt(cos2) * sum) / Math.PI;
}

/** The normal z at which P(Z <= z) = P(T <= x). Hill (1970), doi:10.1145/355598.355599. */
function hill(x, df) {
  const u = hillFrom(Math.log1p((x * x) / df), df);
  return x < 0 ? -u : u;
}

function hillFrom(log, df) {
  const a = df - 0.5;
  const b = 48 * a * a;
  const z2 = a * log;
  const z = Math.sqrt(z2);
  const third = (z2 * z2 * (4 * z2 * z + 33 * z)) / 10 + z2 * z * 24 + z * 85.5;
  return z + (z2 * z + 3 * z) / b - third / (b * (b + 0.8 * z2 * z2 + 100));
}

/** A function (x, out) that puts P(T <= x) and the density of T at x into out[0] and out[1]. */
export function tBoth(df) {
  const root = 1 / Math.sqrt(2 * Math.PI);
  if (df === Infinity) {
    return (x, out) => {
      const e = Math.exp(-0.5 * x * x);
      const tail = upperTail(Math.abs(x), e);
      out[0] = x < 0 ? tail : 1 - tail;
      out[1] = e * root;
    };
  }
  const density = tDensity(df);
  if (df < LARGE_DF) {
    return (x, out) => {
      out[0] = tCdf(x, df);
      out[1] = density(x);
    };
  }
  const top = density(0);
  return (x, out) => {
    const log = Math.log1p((x * x) / df);
    const z = hillFrom(log, df);
    const tail = upperTail(z, Math.exp(-0.5 * z * z));
    out[0] = x < 0 ? tail : 1 - tail;
    out[1] = top * Math.exp(-0.5 * (df + 1) * log);
  };
}

/** A function that gives the density of t at x; Infinity is the normal. */
export function tDensity(df) {
  if (df === Infinity) return normalDensity;
  const constant = logGamma(df / 2 + 0.5) - logGamma(df / 2) - 0.5 * Math.log(df * Math.PI);
  return (x) => Math.exp(constant - 0.5 * (df + 1) * Math.log1p((x * x) / df));
}

/** The x with P(T <= x) = p. */
export function tQuantile(p, df) {
  const z = normalQuantile(p);
  if (df === Infinity) return z;
  if (df === 1) return Math.tan(Math.PI * (p - 0.5));
  if (df === 2) return (2 * p - 1) / Math.sqrt(2 * p * (1 - p));
  const density = tDensity(df);
  // the inverse of Hill's leading term; then Newton's method on the normal scale
  let x = Math.sign(z) * Math.sqrt(df * Math.expm1((z * z * (1 + 1.5 / df)) / (df - 0.5)));
  for (let round = 0; round < 50; round++) {
    const at = normalQuantile(tCdf(x, df));
    const step = ((at - z) * normalDensity(at)) / density(x);
    x -= step;
    if (!(Math.abs(step) > 1e-15 * Math.abs(x))) break;
  }
  return x;
}

/** Nodes and weights of Gauss and Legendre's rule on [-1, 1]. */
export function gaussLegendre(size) {
  const node = new Float64Array(size);
  const weight = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (size + 0.5));
    let slope = 1;
    for (let round = 0; round < 20; round++) {
      let [before, value] = [1, x];
      for (let k = 2; k <= size; k++) {
        [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
      }
      slope = (size * (x * value - before)) / (x * x - 1);
      x -= value / slope;
      if (Math.abs(value / slope) < 1e-16) break;
    }
    node[size - 1 - i] = x;
    weight[size - 1 - i] = 2 / ((1 - x * x) * slope * slope);
  }
  return { node, weight };
}
