// The county explorer. It shows numbers of the study's tables and, for reference levels other than
// the study's, shares of the new houses in draws.js; it estimates nothing. Activities are in the
// study's unit until they are shown.
"use strict";

(() => {
const { data, charts, draws } = window.radonExplorer;
const { counties, models, floors } = data;
const PER_PCI = { "pCi/L": 1, "Bq/m³": 37 };
const STUDY = PER_PCI[data.unit];
const SHADES = ["#ffffd4", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#8c2d04"];
const CUTS = { typical: [1, 2, 3, 4, 6, 8].map((cut) => cut * STUDY), share: [0.1, 0.25, 0.5, 0.75, 0.9] };
const ZONES = [4 * STUDY, 2 * STUDY];
const SLIDER = { "pCi/L": { min: 0.5, max: 20, step: 0.1 }, "Bq/m³": { min: 20, max: 740, step: 1 } };
// Ticks of a chart, and of a narrow one.
const TICKS = {
  "pCi/L": [[0.1, 0.2, 0.5, 1, 2, 4, 10, 20, 50, 100], [0.1, 1, 4, 10, 100]],
  "Bq/m³": [[5, 10, 20, 50, 100, 300, 1000, 3000], [5, 20, 100, 300, 1000, 3000]],
};
const WHERE = ["in the basement", "on the first floor"];
const SHOWN_HOUSES = 50; // dots of new houses in a chart
const NARROW = 420; // pixels of width below which an axis has fewer ticks

const place = new Map(counties.fips.map((fips, i) => [fips, i])); // in the models' columns
const labels = new Map([...data.shapes.map((s) => [s.fips, s.label]),
  ...counties.fips.map((fips, i) => [fips, counties.label[i]])]);
const state = { first: null, second: null, floor: 0, model: models[0], unit: data.unit, level: data.level };
const root = document.getElementById("explorer");
const titles = JSON.parse(root.dataset.titles);
const $ = (id) => document.getElementById(`explorer-${id}`);

const factor = () => PER_PCI[state.unit] / STUDY; // from the study's unit to the shown one

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
  if (shown > 9999) return "> 9,999";
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

// All counties' numbers of a kind, "levels" or "houses", as activities.
function numbers(kind, model, floor) {
  const key = `${kind} ${model.model} ${floor}`;
  if (!unpacked.has(key)) {
    const bytes = Uint8Array.from(atob(draws.models[model.model][kind][floor]), (c) => c.charCodeAt(0));
    const steps = new Int16Array(bytes.buffer);
    unpacked.set(key, Float64Array.from(steps, (step) => Math.exp(step * draws.step)));
  }
  return unpacked.get(key);
}

function ofCounty(kind, i, model = state.model, floor = state.floor) {
  const all = numbers(kind, model, floor);
  const count = draws.models[model.model].number[kind];
  const start = all.length === count ? 0 : i * count; // all counties may share their numbers
  return all.subarray(start, start + count);
}

const share = (values, from) => values.reduce((sum, value) => sum + (value >= from), 0) / values.length;

// At the study's level the table has the probability, from all draws.
function probability(i) {
  if (state.level === data.level) return state.model.counties[state.floor].p_action[i];
  return share(ofCounty("houses", i), state.level);
}

// ---- What is said of a county

const of = (table, column, i, row = state.floor) => state.model[table][row][column][i];
const measured = (i, floor) => counties.houses[floor][i].length;

function sentence(fips) {
  const name = labels.get(fips), i = place.get(fips);
  if (i === undefined) return `${name}: nobody measured a house there, and this study does not predict it.`;
  const none = measured(i, 0) + measured(i, 1) ? "" : "nobody measured a house there; predicted from the other counties, ";
  return `${name}: ${none}half of the houses have more than ${radon(of("counties", "typical", i))} ${state.unit} ` +
    `${WHERE[state.floor]} (90% credible interval ${interval(of("counties", "typical_q5", i), of("counties", "typical_q95", i))}). ` +
    `A new house there is at or above ${level()} ${state.unit} with a probability of ${percent(probability(i))}.`;
}

function comparison() {
  const [a, b] = [state.first, state.second].map((fips) => place.get(fips));
  if (a === undefined || b === undefined || a === b || !draws) return "";
  const [one, other] = [ofCounty("levels", a), ofCounty("levels", b)];
  if (one.every((value, k) => value === other[k])) return " Under this model all counties have the same level.";
  const higher = one.filter((value, k) => value > other[k]).length / one.length;
  return ` The level of ${labels.get(state.first)} is the higher one in ${percent(higher)} of ${one.length} draws.`;
}

function aboutHouses(i) {
  const [low, high] = [measured(i, 0), measured(i, 1)];
  return low + high
    ? `${houses(low + high)} measured: ${low || "none"} in the basement, ${high || "none"} on the first floor.`
    : "Nobody measured a house here. The level is predicted from the other counties.";
}

function aboutLevel(i) {
  const text = `Half of the houses have more than ${radon(of("counties", "typical", i))} ${state.unit}; ` +
    `90% credible interval ${interval(of("counties", "typical_q5", i), of("counties", "typical_q95", i))}.`;
  if (of("counties", "identified", i)) return text;
  const from = state.model.structure === "partial pooling" ? "the population of counties" : "the prior";
  return `${text} † The county’s own houses do not identify this level: it comes from ${from}.`;
}

function aboutShare(i) {
  const p = probability(i);
  const exact = state.level === data.level ? "" : ` (from ${ofCounty("houses", i).length} equally likely houses)`;
  return `${level()} ${state.unit} or more: ${percent(p)}, about ${Math.round(p * SHOWN_HOUSES)} in ${SHOWN_HOUSES} new houses${exact}.`;
}

function aboutRank(i) {
  const rank = of("ranks", "rank", i);
  if (rank === null) {
    return state.model.structure === "complete pooling"
      ? "None: under this model all counties have the same level."
      : "None: without houses on this floor and without pooling its level is not known.";
  }
  const highest = of("ranks", "p_highest", i);
  return `${rank} of ${of("ranks", "ranked", i)}, 1 being the highest; 90% interval ` +
    `${of("ranks", "rank_q5", i)} to ${of("ranks", "rank_q95", i)}.` +
    (highest === null ? "" : ` Among the highest ten with a probability of ${percent(highest)}.`);
}

function aboutPooling(i) {
  const model = state.model, count = measured(i, state.floor), own = of("weights", "own", i);
  const mine = count
    ? `Its ${houses(count)} ${WHERE[state.floor]} ${count === 1 ? "has" : "have a geometric mean of"} ${radon(own)} ${state.unit}`
    : `No house ${WHERE[state.floor]} was measured here`;
  if (model.structure === "complete pooling") return `${mine}. Under this model they count like those of any other county.`;
  if (model.structure === "no pooling") return `${mine}. Under this model no other county counts.`;
  const typical = of("counties", "typical", i);
  const moved = count && own > 0
    ? `${mine}; with the other counties the level is ${radon(typical)}, ${percent(Math.abs(typical / own - 1))} ${typical < own ? "lower" : "higher"}. `
    : `${mine}. `;
  const weight = of("weights", "weight_floor", i);
  if (weight === null) return `${moved}The fewer houses, the more the other counties count. (The weights have no simple form here: errors or county effects are not normal.)`;
  return `${moved}Of the weight, ${percent(weight)} is on these ${houses(count)}, ` +
    `${percent(of("weights", "weight_other_floor", i))} on its ${houses(measured(i, 1 - state.floor))} on the other floor and ` +
    `${percent(of("weights", "weight_counties", i))} on the other counties.`;
}

function zoneTable(i) {
  const table = document.createElement("table");
  const add = (row, text, below, scope) => {
    const cell = row.appendChild(document.createElement(scope ? "th" : "td"));
    cell.textContent = text;
    if (scope) cell.scope = scope;
    if (below) cell.appendChild(document.createElement("span")).append(below);
  };
  table.createCaption().textContent = "Probability of each zone, by the average of new houses on both floors";
  const head = table.createTHead().insertRow();
  const [high, low] = ZONES.map((cut) => level(cut));
  const zones = [`above ${high}`, `${low} to ${high}`, `below ${low}`];
  add(head, "Average", state.unit, "col");
  zones.forEach((range, k) => add(head, `Zone ${k + 1}`, range, "col"));
  const body = table.createTBody();
  ["Arithmetic mean", "Geometric mean"].forEach((name, kind) => {
    const [middle, ...shares] = ["mean_q50", "zone_1", "zone_2", "zone_3"].map((column) => of("zones", column, i, kind));
    const row = body.insertRow();
    add(row, name, middle === null ? "infinite: the tails are too heavy" : radon(middle), "row");
    shares.forEach((p) => add(row, percent(p)));
  });
  return table;
}

// ---- Charts

const views = new Map(); // element -> promise of its Vega view

function fonts() {
  const font = getComputedStyle(root).fontFamily;
  return { text: { font }, axis: { labelFont: font, titleFont: font } };
}

// The chart in an element, with this width, signals and data.
async function show(element, chart, { width, height, signals, data: sets }) {
  if (!views.has(element)) {
    const options = { mode: "vega", renderer: "svg", actions: false, defaultStyle: false, config: fonts() };
    // The element says in words what the chart shows.
    const hidden = element.appendChild(document.createElement("div"));
    hidden.ariaHidden = "true";
    views.set(element, vegaEmbed(hidden, charts[chart], options).then((made) => made.view));
  }
  const made = (await views.get(element)).width(width);
  if (height) made.height(height);
  for (const [name, value] of Object.entries(signals)) made.signal(name, value);
  for (const [name, rows] of Object.entries(sets)) made.data(name, rows);
  return made.runAsync();
}

function drawCounty(element, i) {
  const times = factor(), width = element.clientWidth - 16;
  const scaled = (values) => Array.from(values, (value) => value * times);
  const highest = Math.max(20 * STUDY, data.highest * 1.1) * times;
  const carried = ofCounty("houses", i), each = carried.length / SHOWN_HOUSES;
  // The middle of each fiftieth, so that as many are at or above a level as the text says.
  const fifty = Array.from({ length: SHOWN_HOUSES }, (_, k) => Math.sqrt(carried[k * each + each / 2 - 1] * carried[k * each + each / 2]));
  const value = (table, column) => {
    const found = of(table, column, i);
    return found === null ? null : found * times;
  };
  return show(element, "county", {
    width,
    signals: {
      lowest: 0.1 * STUDY * times, highest, level: state.level * times,
      levelText: `${level()} ${state.unit}`, unit: state.unit,
      ticks: TICKS[state.unit][+(width < NARROW)].filter((tick) => tick <= highest),
    },
    data: {
      measured: floors.flatMap((_, floor) => scaled(counties.houses[floor][i])
        .map((x) => ({ x, other: floor !== state.floor }))),
      level: [{
        low: value("counties", "typical_q5"), middle: value("counties", "typical"),
        high: value("counties", "typical_q95"), own: value("weights", "own"),
        houseLow: value("counties", "house_q5"), houseHigh: value("counties", "house_q95"),
      }],
      houses: scaled(fifty).map((x) => ({ x })),
    },
  });
}

function classes() {
  const typical = $("shade")?.value !== "share";
  const cuts = typical ? CUTS.typical.map((cut) => level(cut)) : CUTS.share.map((cut) => `${cut * 100}%`);
  const names = [`under ${cuts[0]}`, ...cuts.slice(1).map((cut, k) => `${cuts[k]} to ${cut}`), `${cuts.at(-1)} and more`];
  return { typical, names, cuts: typical ? CUTS.typical : CUTS.share };
}

function drawMap() {
  if (!data.shapes.length) return;
  const { typical, names, cuts } = classes();
  const shown = data.shapes.filter((shape) => shape.map === state.map);
  const features = shown.map((shape) => {
    const i = place.get(shape.fips);
    const value = i === undefined ? null : typical ? of("counties", "typical", i) : probability(i);
    return {
      type: "Feature", geometry: shape.geometry, fips: shape.fips,
      label: `${shape.label}: ${value === null ? "nobody measured" : typical ? `${radon(value)} ${state.unit}` : percent(value)}`,
      class: value === null ? null : names[cuts.filter((cut) => value >= cut).length],
      picked: shape.fips === state.first ? "first" : shape.fips === state.second ? "second" : null,
    };
  });
  const points = shown.flatMap((shape) => shape.geometry.coordinates.flat(Infinity));
  const [wide, high] = [0, 1].map((axis) => {
    const side = points.filter((_, k) => k % 2 === axis);
    return side.reduce((a, b) => Math.max(a, b)) - side.reduce((a, b) => Math.min(a, b));
  });
  const width = $("map").clientWidth - 4;
  show($("map"), "map", {
    width,
    height: Math.min(width * (high / wide || 1), 0.8 * window.innerHeight),
    signals: { classes: names, shades: SHADES.slice(0, names.length) },
    data: { counties: features },
  });
  const what = typical ? `Radon that half of the houses exceed, ${state.unit}` : `Probability that a new house is at or above ${level()} ${state.unit}`;
  $("map-title").textContent = `${what}, ${WHERE[state.floor]}. Grey: nobody measured.`;
  $("map").setAttribute("aria-label", `Map of the counties. ${what}. To choose a county without the map, type its name.`);
  $("legend").replaceChildren(...names.map((name, k) => {
    const entry = document.createElement("li"), swatch = entry.appendChild(document.createElement("i"));
    swatch.style.background = SHADES[k];
    entry.append(name);
    return entry;
  }));
}

// ---- The page follows the state

function card(which) {
  const element = $("cards").querySelector(`[data-which=${which}]`) ?? newCard(which);
  const fips = state[which], i = place.get(fips);
  element.hidden = fips === null;
  if (element.hidden) return;
  element.querySelector("h3").textContent = `${labels.get(fips)}, ${WHERE[state.floor]}`;
  const fact = (name) => element.querySelector(`[data-fact=${name}]`);
  for (const part of element.querySelectorAll(".chart, .key, dl")) part.hidden = i === undefined;
  if (i === undefined) {
    fact("houses").textContent = "Nobody measured a house here, and this study has no prediction for it. What holds for a house in a county that nobody measured is said below.";
    return;
  }
  fact("houses").textContent = aboutHouses(i);
  fact("level").textContent = aboutLevel(i);
  fact("house").textContent = `Nine in ten have ${interval(of("counties", "house_q5", i), of("counties", "house_q95", i))} ${state.unit} (90% predictive interval).`;
  fact("share").textContent = aboutShare(i);
  fact("rank").textContent = aboutRank(i);
  fact("zones").replaceChildren(zoneTable(i));
  fact("pooling").textContent = aboutPooling(i);
  element.querySelector(".chart").setAttribute("aria-label", `${aboutHouses(i)} ${sentence(fips)} ${fact("house").textContent}`);
}

function newCard(which) {
  const element = $("card").content.firstElementChild.cloneNode(true);
  element.dataset.which = which;
  const heading = element.querySelector("h3");
  heading.id = `explorer-card-${which}`;
  element.setAttribute("aria-labelledby", heading.id);
  $("cards").append(element);
  return element;
}

function update() {
  const chosen = [state.first, state.second].filter((fips) => fips !== null);
  const warning = state.model.converged ? "" : "This model did not converge: do not use its numbers. ";
  $("summary").textContent = chosen.length
    ? warning + chosen.map(sentence).join(" ") + comparison()
    : "Type the name of a county, or click on the map.";
  if ($("more") && state.first !== null) {
    $("more").hidden = false;
    $("more").firstElementChild.href = `${root.dataset.page}${hash()}`;
  }
  if ($("level")) updateSlider();
  drawMap();
  if (!$("cards")) return;
  ["first", "second"].forEach(card);
  // When both cards are there, each has its width.
  for (const which of ["first", "second"]) {
    const i = place.get(state[which]);
    if (i !== undefined) drawCounty($("cards").querySelector(`[data-which=${which}] .chart`), i);
  }
}

function updateSlider() {
  const range = $("level");
  Object.assign(range, SLIDER[state.unit]);
  range.value = state.level * factor();
  range.setAttribute("aria-valuetext", `${level()} ${state.unit}`);
  $("level-text").textContent = `${level()} ${state.unit}`;
  $("reset").textContent = `Back to ${level(data.level)}`;
  $("reset").disabled = state.level === data.level;
}

// ---- What the reader does

const code = (fips) => String(fips).padStart(5, "0");
const hash = () => `#county-${code(state.first)}${state.second === null ? "" : `,${code(state.second)}`}`;

function pick(which, fips) {
  state[which] = fips;
  if (fips !== null && which === "first") state.map = shapeOf(fips)?.map ?? state.map;
  const field = $(which);
  if (field) field.value = fips === null ? "" : labels.get(fips);
  if ($("state") && state.map !== undefined) $("state").value = state.map;
  if ($("cards") && state.first !== null) history.replaceState(null, "", hash());
  $("message").textContent = "";
  update();
}

const shapeOf = (fips) => data.shapes.find((shape) => shape.fips === fips);

// A whole name, or the beginning of one that no other county shares.
function typed(which) {
  const text = $(which).value.trim().toLowerCase();
  if (!text) return which === "second" ? pick("second", null) : undefined;
  const names = [...labels].map(([fips, label]) => [fips, label.toLowerCase()]);
  const exact = names.filter(([, label]) => label === text);
  const found = exact.length ? exact : names.filter(([, label]) => label.startsWith(text));
  if (found.length === 1) return pick(which, found[0][0]);
  $("message").textContent = found.length
    ? `${found.length} counties begin with “${$(which).value}”; type more of the name.`
    : `No county of this study begins with “${$(which).value}”.`;
}

function follow() {
  const found = /^#county-(\d+)(?:,(\d+))?$/.exec(location.hash);
  const [first, second] = (found ?? []).slice(1).map((text) => (labels.has(+text) ? +text : null));
  if (first === undefined || first === null) return false;
  state.second = null;
  pick("first", first);
  if (second) pick("second", second);
  return true;
}

function options(select, entries) {
  select?.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
}

function fill() {
  const maps = [...new Set(data.shapes.map((shape) => shape.map))].sort();
  state.map = maps[0];
  options($("floor"), floors.map((name, k) => [k, name]));
  options($("model"), models.map((model, k) => [k, inSentence(titles[model.model]) + (model.converged ? "" : " (not converged)")]));
  options($("unit"), Object.keys(PER_PCI).map((unit) => [unit, unit]));
  options($("state"), maps.map((name) => [name, name]));
  $("state").parentElement.hidden = maps.length < 2;
  options($("counties"), [...labels.values()].sort().map((name) => [name, ""]));
  root.querySelector(".explorer-map").hidden = !maps.length;
  root.hidden = false;
}

function listen() {
  const on = (id, kind, act) => $(id)?.addEventListener(kind, (event) => { act(event.target.value); });
  for (const which of ["first", "second"]) on(which, "change", () => typed(which));
  on("floor", "change", (value) => { state.floor = +value; update(); });
  on("model", "change", (value) => { state.model = models[value]; update(); });
  on("unit", "change", (value) => { state.unit = value; update(); });
  on("level", "input", (value) => { state.level = value / factor(); update(); });
  on("reset", "click", () => { state.level = data.level; update(); });
  on("shade", "change", drawMap);
  on("state", "change", (value) => { state.map = value; drawMap(); });
  views.get($("map"))?.then((made) => made.addEventListener("click", (_, item) => {
    if (item?.datum?.fips) pick($("click")?.value ?? "first", item.datum.fips);
  }));
  let width = window.innerWidth; // a phone's height changes as one scrolls
  window.addEventListener("resize", () => { if (width !== window.innerWidth) update(); width = window.innerWidth; });
  window.addEventListener("hashchange", () => follow() && root.scrollIntoView());
}

// Without a link to a county the page shows the one with the most houses.
function mostMeasured() {
  const count = counties.fips.map((_, i) => measured(i, 0) + measured(i, 1));
  return counties.fips[count.indexOf(Math.max(...count))];
}

fill();
if (follow()) {
  // Until it has loaded the page, a browser keeps scrolling to the county's row in the table.
  window.addEventListener("load", () => setTimeout(() => root.scrollIntoView()));
} else if ($("cards")) pick("first", mostMeasured());
else update();
listen();
})();
