// Draws every visible figure[data-chart]: value, band, limits, deployments, the change.

import { edges, ribbon } from "./ribbon.js";
import { clock, text } from "./units.js";

const MOST_SERIES = 20; // in one request, as the API allows
const DIGITS = 4; // more than a chart shows, and a reading of it says three
const HEIGHTS = { small: 52, card: 84, medium: 150, large: 300 };
const DAY_MS = 86_400_000;
const LEAST_MS = 900_000; // a chart shows this much at least
// Steps of an axis of bytes: 2 MiB, and not 1.91.
const BINARY = Array.from({ length: 60 }, (_, power) => 2 ** power);
const drawn = new WeakMap(); // figure -> { plot }

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const figure = target.closest("figure");
    const known = figure && drawn.get(figure);
    const width = Math.floor(target.clientWidth);
    if (known?.plot && width > 0 && width !== known.plot.width) {
      known.plot.setSize({ width, height: target.clientHeight });
    }
  }
});

function figures() {
  return [...document.querySelectorAll("figure[data-chart]")];
}

// Whether the page has charts that were not drawn yet.
export function waiting() {
  return figures().some((figure) => !drawn.has(figure));
}

// Fetch the windows of all charts, a request for each signal and span, and draw them.
export async function refresh() {
  const groups = new Map();
  for (const figure of figures()) {
    const { signal, path = "", since = "", until = "" } = figure.dataset;
    const key = path || `${signal} ${since} ${until}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(figure);
  }
  const asked = [];
  for (const group of groups.values()) {
    for (let i = 0; i < group.length; i += MOST_SERIES) {
      asked.push(load(group.slice(i, i + MOST_SERIES)));
    }
  }
  const answers = (await Promise.all(asked)).flat();
  const from = youngest(answers);
  for (const { figure, windows, curve } of answers) draw(figure, windows, curve, from);
}

// Where charts of the last hours begin: with the first data of the page, while all of it is young.
function youngest(answers) {
  const first = Math.min(...answers.map(({ curve }) => curve?.end_ms[0] ?? Infinity));
  return first - LEAST_MS / 3;
}

async function load(group) {
  const { signal, path, since, until } = group[0].dataset;
  const query = new URLSearchParams({ digits: DIGITS });
  for (const id of new Set(group.map((figure) => figure.dataset.series))) query.append("series", id);
  if (since) query.set("since", since);
  if (until) query.set("until", until);
  const answer = await fetch(path || `/api/v1/signals/${encodeURIComponent(signal)}/windows?${query}`);
  if (!answer.ok) throw new Error(`windows of ${signal}: ${answer.status}`);
  const windows = await answer.json();
  const curves = new Map(windows.series.map((curve) => [curve.id, curve]));
  return group.map((figure) => ({ figure, windows, curve: curves.get(figure.dataset.series) }));
}

function draw(figure, windows, curve, from) {
  const plot = figure.querySelector(".plot");
  const known = drawn.get(figure);
  if (!curve || !curve.end_ms.length) {
    known?.plot?.destroy();
    drawn.set(figure, {});
    plot.classList.add("plot-empty");
    plot.textContent = "no data in this span";
    return;
  }
  if (plot.classList.contains("plot-empty")) {
    plot.classList.remove("plot-empty");
    plot.textContent = "";
  }
  const look = looks(figure, windows, curve, from);
  const columns = withGaps(curve, windows.window_seconds);
  if (known?.plot) {
    known.plot.look = look;
    known.plot.setData(columns);
    return;
  }
  const made = new window.uPlot(options(figure, plot, look), columns, plot);
  if (!known) resized.observe(plot);
  drawn.set(figure, { plot: made });
  if (figure.dataset.chart === "large") arrowKeys(plot, made);
}

// What is drawn beside the value, and the ranges of both axes.
function looks(figure, windows, curve, from) {
  const given = figure.dataset;
  const number = (name) => (given[name] === undefined ? curve[name === "expected" ? "baseline" : name] ?? null : Number(given[name]));
  const look = {
    unit: given.unit,
    expected: number("expected"),
    upper: number("upper"),
    lower: number("lower"),
    limits: given.limits ? given.limits.split(" ").map(Number) : [],
    shade: given.shade ? given.shade.split(" ").map((ms) => Number(ms) / 1000) : null,
    deployments: windows.deployments.map((one) => [Date.parse(one.at) / 1000, `${one.service} ${one.version}`]),
    named: given.chart === "large" || given.chart === "medium",
    spans: (curve.regressions ?? []).map((one) => [Date.parse(one.since) / 1000, one.until ? Date.parse(one.until) / 1000 : Infinity]),
    x: span(given, windows, from),
    sure: curve.low !== undefined,
  };
  const values = [curve.value, curve.low ?? [], curve.high ?? []].flat().filter((value) => value !== null);
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (look.expected !== null) {
    low = Math.min(low, look.expected);
    high = Math.max(high, look.expected, Math.min(look.upper, 3 * high));
    low = Math.min(low, Math.max(look.lower, low - 3 * (high - low)));
  }
  // A limit far away would flatten the curve; it is drawn once the curve comes near.
  const near = given.chart === "large" ? Infinity : Math.max(high - low, Math.abs(high)) * 0.8;
  for (const limit of look.limits) {
    if (limit <= high + near && limit >= low - near) {
      low = Math.min(low, limit);
      high = Math.max(high, limit);
    }
  }
  // Quantities stand on zero, so that half as high is half as much; shares that fall do not.
  if (given.worse !== "down") low = Math.min(0, low);
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  look.y = [low === 0 ? 0 : low - room, high + room];
  return look;
}

function span(given, windows, from) {
  const until = Date.parse(windows.until);
  let since = Date.parse(windows.since);
  if (!given.since) since = Math.max(since, Math.min(from, until - LEAST_MS));
  const room = given.until ? 0 : Math.min((until - since) / 60, 120_000);
  return [since / 1000, (until + room) / 1000];
}

// A missing window is a gap in the line, never a straight line over it.
function withGaps(curve, seconds) {
  const x = [], y = [], n = [], places = [];
  let before = null;
  curve.end_ms.forEach((ms, i) => {
    const at = ms / 1000;
    if (before !== null && at - before > 1.5 * seconds) {
      x.push(before + seconds);
      y.push(null);
      n.push(null);
      places.push(null);
    }
    x.push(at);
    y.push(curve.value[i]);
    n.push(curve.n[i]);
    places.push(i);
    before = at;
  });
  return [x, y, n, ...edges(curve, places)];
}

function options(figure, plot, look) {
  const size = figure.dataset.chart;
  const axes = size === "medium" || size === "large";
  const css = colours();
  const pale = { stroke: css.soft, font: "12px system-ui, sans-serif", grid: { stroke: css.line, width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(60, Math.floor(plot.clientWidth)),
    height: plot.clientHeight || HEIGHTS[size],
    padding: axes ? [8, 24, 0, 0] : [3, 2, 3, 2],
    legend: { show: false },
    cursor: { show: axes, x: axes, y: false, drag: { setScale: false }, points: { size: 7 } },
    select: { show: false },
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: true, range: (u) => u.look?.x ?? look.x }, y: { range: (u) => u.look?.y ?? look.y }, n: { range: [0, 1] } },
    axes: [
      { ...pale, show: axes, size: 24, space: 70, values: (u, ticks) => ticks.map((one) => stamp(u, one)) },
      { ...pale, show: axes, size: 66, space: 40, incrs: look.unit.startsWith("bytes") ? BINARY : undefined, values: (u, ticks) => ticks.map((one) => text(one, u.look.unit)) },
    ],
    series: [
      {},
      { stroke: css.series, fill: size === "small" || look.sure ? undefined : css.fill, width: size === "small" ? 1.5 : 2, points: { show: () => false, filter: lone, size: 5, fill: css.series }, spanGaps: false },
      { scale: "n", show: false },
      { show: false },
      { show: false },
    ],
    hooks: {
      init: [(u) => { u.look = look; }],
      drawClear: [(u) => behind(u, colours())],
      draw: [(u) => before(u, colours())],
      setCursor: [(u) => readout(figure, u)],
    },
  };
}

function stamp(u, seconds) {
  const whole = new Date(seconds * 1000).toISOString();
  return whole.slice(11, 16) === "00:00" ? whole.slice(5, 10) : whole.slice(11, 16);
}

// Points without a neighbour, which a line would not show.
function lone(u, series) {
  const values = u.data[series];
  const has = (i) => values[i] !== null && values[i] !== undefined;
  return values.flatMap((_, i) => (has(i) && !has(i - 1) && !has(i + 1) ? [i] : []));
}

function behind(u, css) {
  const { left, top, width, height } = u.bbox;
  const look = u.look;
  const context = u.ctx;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  const box = (from, to, colour) => {
    const a = u.valToPos(from, "x", true);
    const b = Number.isFinite(to) ? u.valToPos(to, "x", true) : left + width;
    context.fillStyle = colour;
    context.fillRect(a, top, Math.max(b - a, 2 * devicePixelRatio), height);
  };
  if (look.shade) box(look.shade[0], look.shade[1], css.shade);
  else for (const [from, to] of look.spans) box(from, to, css.shade);
  if (look.expected !== null) {
    const high = u.valToPos(look.upper, "y", true);
    const low = u.valToPos(look.lower, "y", true);
    context.fillStyle = css.band;
    context.fillRect(left, high, width, low - high);
    level(u, look.expected, css.expected, [2, 4]);
  }
  ribbon(u, css.ribbon);
  context.restore();
}

function before(u, css) {
  const { left, top, width, height } = u.bbox;
  const context = u.ctx;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  for (const limit of u.look.limits) level(u, limit, css.limit, [6, 4]);
  const rows = []; // what names take of each row, so that none covers another
  for (const [at, name] of u.look.deployments) {
    const x = Math.round(u.valToPos(at, "x", true));
    context.fillStyle = css.deployment;
    context.fillRect(x, top, 1.5 * devicePixelRatio, height);
    context.beginPath(); // a flag, so that the line is not told by its colour alone
    context.moveTo(x, top);
    context.lineTo(x + 7 * devicePixelRatio, top + 3.5 * devicePixelRatio);
    context.lineTo(x, top + 7 * devicePixelRatio);
    context.fill();
    if (u.look.named) flag(context, name, x, top, left + width, rows);
  }
  context.restore();
}

// What was deployed, beside its line, on the side with more room and in the first free row; beyond
// three rows the line stands alone.
function flag(context, name, x, top, right, rows) {
  const size = 11 * devicePixelRatio;
  context.font = `${size}px system-ui, sans-serif`;
  const room = 11 * devicePixelRatio;
  const wide = context.measureText(name).width;
  const fits = x + room + wide < right;
  const from = fits ? x + room : x - room / 2 - wide;
  const row = [0, 1, 2].find((one) => (rows[one] ?? []).every(([a, b]) => from > b || from + wide < a));
  if (row === undefined) return;
  (rows[row] ??= []).push([from, from + wide]);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillText(name, from, top + row * size * 1.3);
}

function level(u, value, colour, dashes) {
  const { left, width } = u.bbox;
  const y = Math.round(u.valToPos(value, "y", true)) + 0.5;
  u.ctx.strokeStyle = colour;
  u.ctx.lineWidth = 1.25 * devicePixelRatio;
  u.ctx.setLineDash(dashes.map((one) => one * devicePixelRatio));
  u.ctx.beginPath();
  u.ctx.moveTo(left, y);
  u.ctx.lineTo(left + width, y);
  u.ctx.stroke();
  u.ctx.setLineDash([]);
}

function readout(figure, u) {
  const place = figure.querySelector(".readout");
  const i = u.cursor.idx;
  if (!place) return;
  if (i === null || i === undefined || u.data[1][i] === null) {
    place.textContent = "";
    return;
  }
  const [x, y, n, low, high] = u.data.map((column) => column[i]);
  const sure = low === null ? "" : ` (${text(low, u.look.unit)} to ${text(high, u.look.unit)})`;
  const long = (u.look.x[1] - u.look.x[0]) * 1000 > DAY_MS;
  place.textContent = `${clock(x * 1000, long)} UTC: ${text(y, u.look.unit)}${sure}, ${Math.round(n)} observations`;
}

// The readout by keyboard: left and right step through the windows.
function arrowKeys(plot, u) {
  plot.removeAttribute("aria-hidden");
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-label", "Chart; left and right arrow read single windows");
  plot.tabIndex = 0;
  plot.closest("figure").querySelector(".readout").setAttribute("aria-live", "polite");
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const last = u.data[0].length - 1;
    const i = Math.min(last, Math.max(0, (u.cursor.idx ?? last + 1) + step));
    u.setCursor({ left: u.valToPos(u.data[0][i], "x"), top: u.over.clientHeight / 2 });
  });
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    soft: of("soft"), line: of("line"), series: of("series"), fill: of("series-fill"), band: of("band"), ribbon: of("ribbon"),
    expected: of("expected"), limit: of("limit"), deployment: of("deployment"), shade: of("shade"),
  };
}

// Light turns dark: axes and lines are made anew with the other colours.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const figure of figures()) {
    drawn.get(figure)?.plot?.destroy();
    drawn.delete(figure);
  }
  refresh().catch(() => {});
});
