// Buttons on a regression. They send JSON, which no foreign page's form can do.

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

function say(form, text, bad = false) {
  const place = form.querySelector("[role=status]");
  place.textContent = text;
  place.classList.toggle("warned", bad);
}

async function send(form, button) {
  const field = (name) => form.elements.namedItem(name)?.value.trim() ?? "";
  const actor = field("actor");
  if (!actor) {
    say(form, "Say who you are first.", true);
    form.elements.namedItem("actor").focus();
    return;
  }
  const action = button.dataset.action;
  const body = { actor, reason: field("reason") };
  if (action === "comment" && !body.reason) {
    say(form, "Write the comment first.", true);
    form.elements.namedItem("reason").focus();
    return;
  }
  if (action === "mute" && field("for")) body.for = field("for");
  remember(actor);
  for (const one of form.querySelectorAll("button")) one.disabled = true;
  try {
    const answer = await fetch(`${form.dataset.path}/${action}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    location.reload();
  } catch (error) {
    say(form, error.message || "The connection was lost.", true);
    for (const one of form.querySelectorAll("button")) one.disabled = false;
  }
}

const form = document.getElementById("actions-form");
if (form) {
  form.hidden = false;
  form.elements.namedItem("actor").value ||= remembered();
  // Enter in a field decides nothing: only a button that was meant does.
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button) send(form, button);
  });
}
