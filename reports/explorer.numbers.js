// The county explorer, one script that pooling.reporting.charts puts together from these files:
// numbers (this one), words, charts, page. It shows the numbers of the study's tables and, for
// reference levels other than the study's, shares of the new houses that draws.js carries; it
// estimates nothing. Activities are in the study's unit until they are shown.

const { data, charts, draws } = window.radonExplorer;
const { counties, models, floors } = data;
const PER_PCI = { "pCi/L": 1, "Bq/m³": 37 };
const STUDY = PER_PCI[data.unit];

const place = new Map(counties.fips.map((fips, i) => [fips, i])); // in the columns of a model
const labels = new Map([...data.shapes.map((s) => [s.fips, s.label]),
  ...counties.fips.map((fips, i) => [fips, counties.label[i]])]);
const state = { first: null, second: null, floor: 0, model: models[0], unit: data.unit, level: data.level };
const root = document.getElementById("explorer");
const $ = (id) => document.getElementById(`explorer-${id}`);

const factor = () => PER_PCI[state.unit] / STUDY; // from the study's unit to the shown one
const of = (table, column, i, row = state.floor) => state.model[table][row][column][i];
const measured = (i, floor) => counties.houses[floor][i].length;

// ---- Numbers as the tables print them: see python/pooling/reporting/rendering.py

function fixed(value, digits) {
  // Python rounds a tie to the even digit, toFixed away from zero.
  const whole = value * 10 ** digits;
  const tie = Number.isInteger(value * 2 ** (digits + 1)) && !Number.isInteger(value * 2 ** digits);
  const even = Math.floor(whole) % 2 ? Math.ceil(whole) : Math.floor(whole);
  const text = (tie ? even / 10 ** digits : value).toFixed(digits);
  return text.replace(/\B(?=(\d{3})+(?!\d))(?=\d*(\.|$))/g, (comma, ...rest) =>
    rest.at(-1).lastIndexOf(".", rest.at(-2)) < 0 ? "," : "");
}

function radon(value) {
  if (value === null) return "–";
  const shown = value * factor();
  if (shown > 99999) return "> 99,999";
  return fixed(shown, shown < 99.95 ? 1 : 0);
}

function percent(share) {
  if (share === null) return "–";
  if (share > 0 && share < 0.005) return "< 1%";
  if (share >= 0.995 && share < 1) return "> 99%";
  return `${fixed(share * 100, 0)}%`;
}

const interval = (low, high) => `${radon(low)} to ${radon(high)}`;
const level = (value = state.level) => `${+(value * factor()).toFixed(1)}`;
const houses = (count) => (count === 1 ? "1 house" : `${count || "no"} houses`);
const inSentence = (title) => (/^.[A-Z]/.test(title) ? title : title[0].toLowerCase() + title.slice(1));

// ---- Carried draws

const unpacked = new Map();

function logarithms(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return Float64Array.from(new Int16Array(bytes.buffer), (step) => step * draws.step);
}

// All counties' numbers of a kind, "levels" or "houses", as activities.
function numbers(kind, model, floor) {
  const key = `${kind} ${model.model} ${floor}`;
  if (!unpacked.has(key)) {
    unpacked.set(key, logarithms(draws.models[model.model][kind][floor]).map(Math.exp));
  }
  return unpacked.get(key);
}

function ofCounty(kind, i, model = state.model, floor = state.floor) {
  const all = numbers(kind, model, floor);
  const count = draws.models[model.model].number[kind];
  const start = all.length === count ? 0 : i * count; // all counties may share their numbers
  return all.subarray(start, start + count);
}

const SHOWN_HOUSES = 50; // so many new houses stand for all

const share = (values, from) => values.reduce((sum, value) => sum + (value >= from), 0) / values.length;

// At the study's level the table has the probability, from all draws.
function probability(i) {
  if (state.level === data.level) return state.model.counties[state.floor].p_action[i];
  return share(ofCounty("houses", i), state.level);
}
