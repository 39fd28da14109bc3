// Sends a text to be checked as a configuration, and shows what is to be said of it.

const form = document.getElementById("check-form");
const place = document.getElementById("check-result");
const status = document.getElementById("check-status");
const field = document.getElementById("check-text");
const button = form.querySelector("button[type=submit]");

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children.filter((one) => one !== null && one !== ""));
  return made;
}

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("warned", bad);
}

function counted(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// Puts the cursor where a fault is.
function show(line) {
  const lines = field.value.split("\n");
  const begin = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  field.focus();
  field.setSelectionRange(begin, begin + (lines[line - 1] ?? "").length);
  field.scrollTop = (field.scrollHeight / lines.length) * Math.max(0, line - 4);
}

function where(one) {
  if (!one.line) return element("span", { textContent: "text" });
  const to = element("button", { type: "button", className: "plain-button", textContent: `line ${one.line}` });
  to.addEventListener("click", () => show(one.line));
  return to;
}

function cell(...children) {
  return element("td", {}, ...children);
}

function faults(found) {
  const rows = found.map((one) =>
    element(
      "tr",
      {},
      cell(where(one)),
      element("th", { scope: "row" }, one.key ? element("code", { textContent: one.key }) : "the text"),
      cell(one.reason, one.hint ? element("p", { className: "faint", textContent: one.hint }) : null),
    ),
  );
  return table("Faults, in the order of the text", ["Line", "Key", "What is wrong, and the way out"], rows);
}

function changes(found) {
  const rows = found.map((one) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", { textContent: one.key })),
      cell(element("code", { textContent: one.before || "-" })),
      cell(element("code", { textContent: one.after || "-" })),
    ),
  );
  return table("What would change", ["Key", "In force", "With this text"], rows);
}

function table(caption, heads, rows) {
  return element(
    "table",
    { className: "history panel" },
    element("caption", { className: "unseen", textContent: caption }),
    element("thead", {}, element("tr", {}, ...heads.map((one) => element("th", { scope: "col", textContent: one })))),
    element("tbody", {}, ...rows),
  );
}

function unchecked(found) {
  const items = found.map((one) =>
    element("li", {}, where(one), " ", element("code", { textContent: one.key }), ` ${place.dataset[one.reason]}`),
  );
  return element("details", {}, element("summary", { textContent: `${counted(found.length, "thing")} not looked at` }), element("ul", {}, ...items));
}

function render(found) {
  const parts = [];
  if (found.faults.length) parts.push(faults(found.faults));
  if (found.ok) {
    if (found.changes.length) parts.push(element("h3", { textContent: "What would change at the next start" }), changes(found.changes));
    if (found.changes_left_out) parts.push(element("p", { className: "faint", textContent: `and ${found.changes_left_out} more` }));
  }
  if (found.unchecked.length) parts.push(unchecked(found.unchecked));
  place.replaceChildren(...parts);
  if (!found.ok) say(`${counted(found.faults.length, "fault")}.`, true);
  else {
    const has = `${counted(found.targets, "target")}, ${found.signals} signals, ${counted(found.rules, "rule")}`;
    say(`No fault: ${has}. ${found.changes.length ? "" : "It changes nothing."}`);
  }
}

form.hidden = false;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  say("Checking.");
  try {
    const answer = await fetch("/api/v1/configuration/check", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: field.value }),
    });
    const body = await answer.json();
    if (answer.ok) render(body);
    else say(body.detail, true);
  } catch {
    say("The connection was lost.", true);
  } finally {
    button.disabled = false;
  }
});
document.getElementById("check-fill").addEventListener("click", () => {
  const inForce = document.getElementById("in-force-text") ?? document.querySelector("#empty pre");
  field.value = inForce.textContent;
  field.focus();
});
