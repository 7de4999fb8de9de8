// What is said of a county, in words and in the table of zones.

const WHERE = ["in the basement", "on the first floor"];
const ZONES = [4 * STUDY, 2 * STUDY];

function sentence(fips) {
  const name = labels.get(fips), i = place.get(fips);
  if (i === undefined) return `${name}: no house was measured there, and this study does not predict it.`;
  const none = measured(i, 0) + measured(i, 1) ? "" : "no house was measured there; predicted from the other counties, ";
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
  return ` The level of ${labels.get(state.first)} is higher in ${percent(higher)} of ${one.length} draws.`;
}

function aboutHouses(i) {
  const [low, high] = [measured(i, 0), measured(i, 1)];
  return low + high
    ? `${houses(low + high)} measured: ${low || "none"} in the basement, ${high || "none"} on the first floor.`
    : "No house was measured here. The level is predicted from the other counties.";
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
  if (place.size === 1) return "None: this study has no other county.";
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
  if (model.structure === "complete pooling") return `${mine}. Under this model all houses count alike, whatever their county.`;
  if (model.structure === "no pooling") return `${mine}. Under this model no other county counts.`;
  const typical = of("counties", "typical", i);
  const moved = count && own > 0
    ? `${mine}; pooled with the other counties, the level is ${radon(typical)}, ${percent(Math.abs(typical / own - 1))} ${typical < own ? "lower" : "higher"}. `
    : `${mine}. `;
  const weight = of("weights", "weight_floor", i);
  if (weight === null) {
    return `${moved}The fewer houses, the more the other counties count; for this model no simple weight says how much.`;
  }
  const others = measured(i, 1 - state.floor);
  const weights = [
    count && `${count === 1 ? "this house" : `these ${count} houses`} ${percent(weight)}`,
    others && `its ${houses(others)} ${WHERE[1 - state.floor]} ${percent(of("weights", "weight_other_floor", i))}`,
    `the other counties ${percent(of("weights", "weight_counties", i))}`,
  ];
  return `${moved}Weights in this level: ${weights.filter(Boolean).join(", ")}.`;
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
