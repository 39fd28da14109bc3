// Keeps the page fresh: fetches it again every few seconds and changes what differs.

import { refresh, waiting } from "./charts.js";
import { morph } from "./morph.js";

const EVERY_MS = 10_000; // unless the page wishes for another pace

let updated = Date.now();
let asked = updated;
let tick = null;
let failed = false;

function tickOf(page) {
  return page.getElementById("headline")?.dataset.tick ?? "";
}

function every() {
  return 1000 * Number(document.getElementById("headline")?.dataset.every ?? 0) || EVERY_MS;
}

async function update() {
  asked = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(document.getElementById("main"), page.getElementById("main"));
    document.title = page.title;
    const newest = tickOf(document);
    // Before the first tick the running window changes all the time.
    if (newest !== tick || !newest || failed || waiting()) await refresh();
    tick = newest;
    updated = Date.now();
    failed = false;
  } catch {
    failed = true;
  }
  say();
}

function say() {
  const age = Date.now() - updated;
  const lost = failed || age > 3 * every();
  const seconds = Math.floor(age / 1000);
  const ago = seconds < 90 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
  const note = document.getElementById("fresh");
  note.hidden = false;
  note.classList.toggle("fresh-lost", lost);
  const words = lost ? `connection lost, from ${ago}` : `updated ${ago}`;
  const place = document.getElementById("fresh-text");
  if (place.textContent !== words) place.textContent = words;
}

function local() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  }
}

// A folded menu closes with Escape, and when something else is pressed.
function foldMenus(except) {
  for (const one of document.querySelectorAll("details.more-pages[open]")) if (!one.contains(except)) one.open = false;
}
document.addEventListener("click", (event) => foldMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const inside = document.activeElement?.closest("details.more-pages[open]");
  foldMenus(null);
  inside?.querySelector("summary").focus();
});

function live() {
  tick = tickOf(document);
  refresh().catch(() => { failed = true; });
  say();
  setInterval(() => { if (!document.hidden) say(); }, 1000);
  setInterval(() => { if (!document.hidden && (failed || Date.now() - asked >= every() - 500)) update().then(local); }, EVERY_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) update().then(local); });
  window.addEventListener("online", () => update());
}

local();
// What is not there, or not allowed, stays so however often it is asked for.
if (document.querySelector("[data-still]") === null) live();
