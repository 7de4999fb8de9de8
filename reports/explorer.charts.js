// Charts: specifications for Vega, explorer.*.vg.json, that are filled with data here.

const SHADES = ["#ffffd4", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#8c2d04"];
const CUTS = { typical: [1, 2, 3, 4, 6, 8].map((cut) => cut * STUDY), share: [0.1, 0.25, 0.5, 0.75, 0.9] };
// Ticks of a chart, and of a narrow one.
const TICKS = {
  "pCi/L": [[0.1, 0.2, 0.5, 1, 2, 4, 10, 20, 50, 100], [0.1, 1, 4, 10, 100]],
  "Bq/m³": [[5, 10, 20, 50, 100, 300, 1000, 3000], [5, 20, 100, 300, 1000, 3000]],
};
const NARROW = 420; // pixels

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
      label: `${shape.label}: ${value === null ? "not measured" : typical ? `${radon(value)} ${state.unit}` : percent(value)}`,
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
  $("map-title").textContent = `${what}, ${WHERE[state.floor]}. Grey: not measured.`;
  $("map").setAttribute("aria-label", `Map of the counties. ${what}. To choose a county without the map, type its name.`);
  $("legend").replaceChildren(...names.map((name, k) => {
    const entry = document.createElement("li"), swatch = entry.appendChild(document.createElement("i"));
    swatch.style.background = SHADES[k];
    entry.append(name);
    return entry;
  }));
}
