// The page: what the reader chooses, and what then changes.

const SLIDER = { "pCi/L": { min: 0.5, max: 20, step: 0.1 }, "Bq/m³": { min: 20, max: 740, step: 1 } };
const titles = JSON.parse(root.dataset.titles);

function card(which) {
  const element = $("cards").querySelector(`[data-which=${which}]`) ?? newCard(which);
  const fips = state[which], i = place.get(fips);
  element.hidden = fips === null;
  if (element.hidden) return;
  element.querySelector("h3").textContent = `${labels.get(fips)}, ${WHERE[state.floor]}`;
  const fact = (name) => element.querySelector(`[data-fact=${name}]`);
  for (const part of element.querySelectorAll(".chart, .key, dl")) part.hidden = i === undefined;
  if (i === undefined) {
    fact("houses").textContent = "No house was measured here, and this study has no prediction for it. For a house in an unmeasured county, see below.";
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
  $("summary").classList.toggle("prompt", !chosen.length);
  $("summary").textContent = chosen.length
    ? warning + chosen.map(sentence).join(" ") + comparison()
    : `Type the name of a county${data.shapes.length ? ", or click on the map" : ""}.`;
  if ($("more") && state.first !== null) {
    $("more").hidden = false;
    $("more").firstElementChild.href = `${root.dataset.page}${hash()}`;
  }
  if ($("level")) updateSlider();
  drawMap();
  if (!$("cards")) return;
  decide();
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

function pick(which, fips, linked = true) {
  state[which] = fips;
  if (fips !== null && which === "first") state.map = shapeOf(fips)?.map ?? state.map;
  const field = $(which);
  if (field) field.value = fips === null ? "" : labels.get(fips);
  if ($("state") && state.map !== undefined) $("state").value = state.map;
  if (linked && $("cards") && state.first !== null) history.replaceState(null, "", hash());
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
  if ($("unit")) $("unit").value = state.unit;
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
setUpDecision();
if (follow()) {
  // Until it has loaded the page, a browser keeps scrolling to the county's row in the table.
  window.addEventListener("load", () => setTimeout(() => root.scrollIntoView()));
} else if ($("cards") || place.size === 1) pick("first", mostMeasured(), false);
else update();
listen();
