// What to do in the first county: under other costs, for other households, and after a test.

const { decision } = window.radonExplorer;
const ACTIONS = { nothing: "do nothing", measure: "measure first", remedy: "remedy now" };
const KINDS = { "long-term": "long-term", screening: "short-term" };
const CLOSE = 0.01; // as on the page of decisions
const CERTAIN = 3; // Monte Carlo errors
// Activities and the value of radon are in pCi/L here, whatever the study's unit.
const chosen = decision && { ...decision.settings.problem, cost: ownTest().cost, result: null, kind: "screening" };

function ownTest() { return decision.settings.tests[decision.settings.test]; }
const pci = (value) => `${radon(value * STUDY)} ${state.unit}`;
const actFrom = ({ remedied, remedy, value }) => remedied + remedy / value;

function dollars(value) {
  const size = Math.abs(value), sign = value < 0 ? "−" : "";
  return size >= 1e6 ? `${sign}$${fixed(size / 1e6, 1)} million` : `${sign}$${fixed(size, 0)}`;
}

const atStudy = () => chosen.cost === ownTest().cost &&
  ["remedy", "value"].every((name) => chosen[name] === decision.settings.problem[name]);
const testOf = (kind) => (kind === decision.settings.test
  ? { ...ownTest(), cost: chosen.cost } : decision.settings.tests[kind]);

// Annual radon in the living area of a new house: a mixture over groups of draws.
function radonOf(i) {
  const { sizes, mean, sd } = decision.models[state.model.model];
  const total = sizes.reduce((a, b) => a + b), prior = sizes.map((size) => size / total);
  const [means, sds] = [mean, sd].map((packed) => {
    const all = logarithms(packed[state.floor]);
    return all.subarray(...(all.length === sizes.length ? [0] : [i * sizes.length, (i + 1) * sizes.length]));
  });
  return { mean: means, sd: sds, weight: prior, prior, shift: decision.settings.added * decision.settings.factor[state.floor] };
}

// Losses, their errors, and readings above which to remedy: those of the table where it has them.
function newHouse(i, house) {
  if (atStudy() && state.model.model === decision.model) {
    const row = decision.table[state.floor], values = (what) =>
      Object.fromEntries(Object.keys(ACTIONS).map((name) => [name, row[`${what}_${name}`][i]]));
    const above = { "long-term": row.remedy_above[i], screening: row.remedy_above_screening[i] };
    return { ...compared(values("loss"), values("error")), certain: row.certain[i], above, exact: true };
  }
  const above = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, highest(limit(chosen, house, testOf(kind)), kind)]));
  return { ...lossesOf(house, i), above };
}

function lossesOf(house, i, without) {
  const every = losses(chosen, house, testOf(decision.settings.test));
  delete every[without];
  const share = decision.models[state.model.model].error[state.floor][i];
  const each = (act) => Object.fromEntries(Object.entries(every).map(([name, values]) => [name, act(values)]));
  const found = compared(each((values) => average(house, values)), each((values) => monteCarlo(house, values, share)));
  // Errors of losses are alike: what matters is that of their difference.
  found.certain = Object.keys(every).every((name) => name === found.best || found.loss[name] - found.loss[found.best] >
    CERTAIN * monteCarlo(house, every[name].map((value, k) => value - every[found.best][k]), share));
  return found;
}

function compared(loss, error) {
  const order = Object.keys(loss).sort((a, b) => loss[a] - loss[b]);
  return { loss, error, best: order[0], close: loss[order[1]] < (1 + CLOSE) * loss[order[0]] };
}

// From log radon to the scale on which a test reads, pCi/L, and back.
function highest(log, kind) {
  if (log === Infinity) return null;
  const { added, factor } = decision.settings, by = factor[state.floor];
  return Math.max(kind === "screening" ? Math.exp(log) / by - added : Math.exp(log) - added * by, 0);
}

function logReading(activity, kind) {
  const { added, factor, zero } = decision.settings, by = factor[state.floor];
  const above = activity === 0 && added === 0 ? zero : activity;
  return kind === "screening" ? Math.log((above + added) * by) : Math.log(above + added * by);
}

// ---- In words

const more = (found, name) => `${dollars(found.loss[name] - found.loss[found.best])} more`;

function reason(found) {
  const test = `a ${KINDS[decision.settings.test]} test`, others = Object.keys(found.loss).length === 3;
  const why = {
    nothing: `A ${dollars(chosen.remedy)} remedy saves less than it costs: to remedy now loses ${more(found, "remedy")}` +
      (others ? `; to measure first loses ${more(found, "measure")}, because a high result is too unlikely.` : "."),
    measure: `Without ${test} for ${dollars(chosen.cost)} nobody knows whether the house is one of the high ones: to remedy now loses ` +
      `${more(found, "remedy")}, to do nothing ${more(found, "nothing")}.`,
    remedy: `To do nothing loses ${more(found, "nothing")}` +
      (others ? `; to measure first loses ${more(found, "measure")}, because hardly any result would argue against a remedy.` : "."),
  }[found.best];
  return why + (found.certain ? "" : " The model’s draws are too few to tell these actions apart.") +
    (found.close ? " It is close: another action loses less than 1% more." : "");
}

function afterTest(above) {
  const each = Object.keys(KINDS).map((kind) => {
    const name = `a ${KINDS[kind]} test${kind === "screening" ? " on this floor" : " in the living area"}`;
    if (above[kind] === null) return `never after ${name}, whatever it reads`;
    return above[kind] === 0 ? `after ${name}, whatever it reads` : `if ${name} reads more than ${pci(above[kind])}`;
  });
  return `With a test result: remedy ${each.join(", or ")}.`;
}

function paragraph(...parts) {
  const element = document.createElement("p");
  element.append(...parts);
  return element;
}

function strong(text) {
  const element = document.createElement("strong");
  element.textContent = text;
  return element;
}

function basis(found, own) {
  const link = document.createElement("a");
  link.href = `decisions.html#decide-${code(state.first)}`;
  link.textContent = "What to do";
  const computed = `computed here from ${decision.models[state.model.model].sizes.length} groups of the model’s draws, within about 0.1% of the result from all draws`;
  const other = state.model.model === decision.model ? "" : "; the study decides by another model";
  return [
    `An expected loss is what is paid for tests and remedies, and ${dollars(chosen.value)} for each pCi/L of annual radon that stays in the living area. ` +
    (found.exact ? "Losses of a new house are those of the page " : `These losses are ${computed}${other}. More is on the page `),
    link, found.exact && own ? `; those after your test are ${computed}` : "",
    ". A household’s losses follow from its risk of lung cancer, at the same value of a life; the more a remedy costs, the higher the level from which to act.",
  ];
}

function fillLosses(columns) {
  const table = $("losses");
  table.querySelector("th:last-child").hidden = !columns[1];
  table.tBodies[0].replaceChildren(...Object.keys(ACTIONS).map((name) => {
    const row = document.createElement("tr"), head = row.appendChild(document.createElement("th"));
    head.scope = "row";
    head.textContent = ACTIONS[name][0].toUpperCase() + ACTIONS[name].slice(1);
    for (const found of columns.filter(Boolean)) {
      const cell = row.insertCell(), error = document.createElement("span");
      if (!(name in found.loss)) { cell.textContent = "–"; continue; }
      cell.append(name === found.best ? strong(dollars(found.loss[name])) : dollars(found.loss[name]), " ", error);
      error.className = "span";
      error.textContent = `± ${fixed(found.error[name], found.error[name] < 9.95 ? 1 : 0)}`;
    }
    return row;
  }));
}

function decide() {
  if (!decision || !$("decision")) return;
  showSettings();
  const i = place.get(state.first), missing = nothingToSay(i);
  for (const id of ["losses", "basis"]) $(id).hidden = missing !== null;
  if (missing !== null) {
    $("action").replaceChildren(paragraph(missing));
    return;
  }
  const house = radonOf(i), found = newHouse(i, house);
  const own = chosen.result === null ? null : ownHouse(i, house);
  const warning = state.model.converged ? "" : "This model did not converge: do not use its numbers. ";
  const dagger = of("counties", "identified", i) ? "" : " † No house of this county identifies its level on this floor.";
  $("action").replaceChildren(
    ...(own ? [ownAnswer(own)] : []),
    paragraph(`${warning}In a house in ${labels.get(state.first)} that nobody has tested, for tests done ${WHERE[state.floor]}: `,
      strong(`${ACTIONS[found.best]}.`), ` ${reason(found)}${dagger}`),
    paragraph(afterTest(found.above)),
  );
  fillLosses([found, own]);
  $("basis").replaceChildren(...basis(found, own));
}

function nothingToSay(i) {
  if (i === undefined) return "No house was measured in this county, and this study has no prediction for it.";
  const { missing } = decision.models[state.model.model];
  return missing ? `Under this model nothing can be decided: ${missing}. Choose another model.` : null;
}

function ownHouse(i, house) {
  const after = updated(house, testOf(chosen.kind), logReading(chosen.result, chosen.kind));
  // After a long-term test there is nothing more to measure.
  const found = lossesOf(after, i, chosen.kind === "long-term" ? "measure" : null);
  return { ...found, mean: average(after, expected(after)) };
}

function ownAnswer(own) {
  const test = `your ${KINDS[chosen.kind]} test of ${pci(chosen.result)}`;
  return paragraph(`Your house, after ${test}: `, strong(`${ACTIONS[own.best]}.`),
    ` Its annual radon in the living area is ${pci(own.mean)} on average. ${reason(own)}`);
}

// ---- What the reader sets

// Range, step and digits of each slider, in what it shows.
const SETTINGS = {
  act: () => ({ min: chosen.remedied + 0.5, max: 20, step: 0.1, by: PER_PCI[state.unit], value: actFrom(chosen), text: pci(actFrom(chosen)) }),
  remedy: () => ({ min: 500, max: 10000, step: 100, by: 1, value: chosen.remedy, text: dollars(chosen.remedy) }),
  cost: () => ({ min: 0, max: 300, step: 5, by: 1, value: chosen.cost, text: dollars(chosen.cost) }),
};

// Dollars per pCi/L of each household, at the study's price of a life.
function valueOf(household) {
  const { risks, household: own, problem } = decision.settings;
  return problem.value * risks[household] / risks[own];
}

function showSettings() {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const { min, max, step, by, value, text } = setting(), range = $(name);
    Object.assign(range, { min: min * by, max: Math.max(max, value) * by, step: by === 1 ? step : 1 });
    range.value = value * by;
    range.setAttribute("aria-valuetext", text);
    $(`${name}-text`).textContent = text;
  }
  const same = Object.keys(decision.settings.risks).find((name) => Math.abs(valueOf(name) / chosen.value - 1) < 1e-9);
  $("household").value = same ?? "";
  $("restore").disabled = atStudy();
  // While it is typed it stays as it is.
  if ($("result-unit").textContent !== state.unit && chosen.result !== null) {
    $("result").value = +(chosen.result * PER_PCI[state.unit]).toPrecision(4);
  }
  $("result-unit").textContent = state.unit;
}

function setUpDecision() {
  if (!decision || !$("decision")) return;
  const set = (id, kind, act) => $(id).addEventListener(kind, () => { act($(id).value); decide(); });
  options($("household"), [...Object.keys(decision.settings.risks).map((name) => [name, name]), ["", "another, by its level"]]);
  options($("kind"), [["screening", "short-term, on this floor"], ["long-term", "long-term, in the living area"]]);
  set("household", "change", (name) => { if (name) chosen.value = valueOf(name); });
  set("act", "input", (level) => { chosen.value = chosen.remedy / (level / PER_PCI[state.unit] - chosen.remedied); });
  set("remedy", "input", (cost) => { chosen.remedy = +cost; });
  set("cost", "input", (cost) => { chosen.cost = +cost; });
  set("restore", "click", () => Object.assign(chosen, decision.settings.problem, { cost: ownTest().cost }));
  set("result", "input", (text) => { chosen.result = text === "" || !(+text >= 0) ? null : +text / PER_PCI[state.unit]; });
  set("kind", "change", (kind) => { chosen.kind = kind; });
}
