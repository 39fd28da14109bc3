// Sends what is to be replayed, shows how far it is, and then what would have fired.

import { text as unit } from "./units.js";

const form = document.getElementById("replay-form");
const result = document.getElementById("replay-result");
const status = document.getElementById("replay-status");
const stop = document.getElementById("replay-stop");
const button = form.querySelector("button[type=submit]");
let running = null;

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children.filter((one) => one !== null && one !== ""));
  return made;
}

function asked() {
  const field = (name) => form.elements.namedItem(name).value;
  const body = { days: Number(field("days")), gates: field("gates") };
  if (field("text").trim()) body.text = field("text");
  else if (field("rule")) body.rule_names = [field("rule")];
  return body;
}

function progress(share) {
  document.getElementById("replay-progress").hidden = share === null;
  document.getElementById("replay-bar").value = share ?? 0;
  document.getElementById("replay-share").textContent = `Replaying: ${Math.round(100 * (share ?? 0))} %`;
}

function say(message, bad = false) {
  status.classList.toggle("warned", bad);
  status.replaceChildren(...[message].flat());
}

// The answer comes as lines of JSON; the last one has the report, or says why there is none.
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const one of parts) if (one) yield JSON.parse(one);
  }
}

function refused(problem) {
  if (!problem.errors?.length) return problem.detail;
  return element("ul", {}, ...problem.errors.map((one) => element("li", { textContent: one.detail })));
}

async function run() {
  running = new AbortController();
  button.disabled = true;
  stop.hidden = false;
  result.hidden = true;
  say("");
  progress(0);
  try {
    const answer = await fetch("/api/v1/replay", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(asked()),
      signal: running.signal,
    });
    if (!answer.ok) {
      say(refused(await answer.json()), true);
      return;
    }
    let last = null;
    for await (const one of lines(answer.body)) {
      last = one;
      progress(one.done);
    }
    if (last?.report) show(last.report);
    else say(last?.error || "It broke off before the end; try again.", true);
  } catch (error) {
    say(error.name === "AbortError" ? "Stopped." : "The connection was lost.", error.name !== "AbortError");
  } finally {
    progress(null);
    button.disabled = false;
    stop.hidden = true;
  }
}

function verdict(noise) {
  const known = document.querySelector(`[data-noise="${noise}"]`).cloneNode(true);
  known.removeAttribute("data-noise");
  return known;
}

function share(value) {
  return value === null ? "-" : unit(value, "ratio");
}

// Whether there is more to say of a rule than its row does.
function tells(one) {
  return one.openings > 0 || Object.keys(one.held_back_hours).length > 0;
}

function row(one) {
  const cells = [
    verdict(one.noise),
    String(one.openings),
    unit(one.per_100_series_per_day, ""),
    share(one.transient_share),
    one.longest_seconds === null ? "-" : unit(one.longest_seconds, "seconds"),
    String(one.series),
    `${one.judged_days} d`,
  ];
  const told = { textContent: one.rule };
  const name = tells(one) ? element("a", { href: `#replayed-${one.rule}`, ...told }) : element("code", told);
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    ...cells.map((each) => element("td", {}, each)),
  );
}

// A bar for each day; the numbers are in the text of each, for whoever cannot see the bars.
function days(one) {
  const most = Math.max(1, ...one.days.map((each) => each.openings));
  return element(
    "ol",
    { className: "days", ariaLabel: `${one.rule} by day` },
    ...one.days.map((each) => {
      const bar = element("span", { className: "bar" });
      bar.style.height = `${Math.round((36 * each.openings) / most)}px`;
      bar.ariaHidden = "true";
      const told = `${each.day}: ${each.openings}`;
      return element("li", { title: told }, bar, element("span", { className: "unseen", textContent: told }));
    }),
  );
}

function moment(value) {
  return element("time", { dateTime: value, textContent: `${value.slice(0, 16).replace("T", " ")} UTC` });
}

function episodes(one) {
  if (!one.episodes.length) return null;
  const items = one.episodes.slice(-20).reverse().map((each) => {
    const path = `/signals/${encodeURIComponent(one.signal)}/series/${each.series}?at=${each.opened_at}`;
    const over = each.ended_at ? ["until ", moment(each.ended_at)] : ["not over at the end"];
    return element(
      "li",
      {},
      element("a", { href: path, textContent: each.name || "all" }),
      " ",
      element("span", { className: "faint" }, moment(each.opened_at), " ", ...over, `, ${each.severity}${each.again ? ", came back" : ""}`),
    );
  });
  const told = one.openings > items.length ? `The newest ${items.length} of ${one.openings}` : `All ${items.length}`;
  return element("details", {}, element("summary", { textContent: `${told}, where and when` }), element("ul", {}, ...items));
}

function details(one) {
  const held = Object.entries(one.held_back_hours).map(([gate, hours]) => `${gate} ${unit(hours * 3600, "seconds")}`);
  const noisiest = one.noisiest.map((each) => `${each.name || "all"} (${each.openings})`);
  return element(
    "section",
    { className: "panel spaced-top", id: `replayed-${one.rule}` },
    element("h3", {}, element("code", { textContent: one.rule }), " ", verdict(one.noise)),
    element("p", { className: "faint", textContent: one.trigger }),
    days(one),
    noisiest.length && one.openings ? element("p", { textContent: `Most on ${noisiest.join(", ")}.` }) : null,
    held.length ? element("p", { textContent: `Held back by ${held.join(", ")}.` }) : null,
    one.is_approximate
      ? element("p", { className: "faint", textContent: `Approximate: for ${share(one.coarse_share)} of the time only longer windows are stored.` })
      : null,
    episodes(one),
  );
}

function show(report) {
  const span = document.getElementById("replay-span");
  span.replaceChildren(moment(report.since), " to ", moment(report.until), report.gates === "off" ? ", gates off" : "");
  if (report.lost_windows) span.append(`; ${report.lost_windows} windows found no room in memory: replay fewer rules at once`);
  result.querySelector("tbody").replaceChildren(...report.rules.map(row));
  document.getElementById("replay-rules").replaceChildren(...report.rules.filter(tells).map(details));
  result.hidden = false;
  const fired = report.rules.reduce((sum, one) => sum + one.openings, 0);
  say(report.rules.length ? `Done: ${report.rules.length} rules, fired ${fired} times.` : "No rule fits.");
  document.getElementById("replay-title").focus();
}

form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
stop.addEventListener("click", () => running?.abort());
