// Forms that change something. They send JSON, which no foreign page's form can do.
// A form names where it goes in data-post (a button may name another place), and where to go
// afterwards in data-then; without that the page is read anew.

const NAME = "plimsoll.actor";

function remembered() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // a browser may forbid it
  }
}

function remember(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // then it is typed again
  }
}

function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if ("list" in field.dataset) (body[field.name] ??= []).push(field.value);
    else if (field.value.trim()) body[field.name] = field.value.trim();
    if ("actor" in field.dataset) remember(field.value.trim());
  }
  return body;
}

function say(form, text) {
  const place = form.querySelector("[role=status]");
  place.textContent = text;
  place.classList.add("warned");
}

async function send(form, path) {
  const buttons = form.querySelectorAll("button");
  for (const one of buttons) one.disabled = true;
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(bodyOf(form)),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    if (form.dataset.then) location.assign(form.dataset.then);
    else location.reload();
  } catch (error) {
    say(form, error.message || "The connection was lost.");
    for (const one of buttons) one.disabled = false;
  }
}

function prepare() {
  for (const form of document.querySelectorAll("form[data-post][hidden]")) {
    form.hidden = false;
    for (const field of form.querySelectorAll("[data-actor]")) field.value ||= remembered();
  }
}

// On the document, since a page that refreshes itself may bring more forms.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-post]");
  if (!form) return;
  event.preventDefault();
  send(form, event.submitter?.dataset.post ?? form.dataset.post);
});
prepare();
new MutationObserver(prepare).observe(document.getElementById("main"), { childList: true, subtree: true });
