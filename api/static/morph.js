// Changes one element into another in place: what stays the same keeps focus, scroll and canvas.
// Elements with data-keep belong to scripts: they are left alone.

export function morph(old, fresh) {
  if (old.hasAttribute("data-keep")) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OURS.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (OURS.has(name)) continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

const OURS = new Set(["open"]); // which details a person has opened

function morphChildren(old, fresh) {
  const byId = new Map();
  for (const child of old.children) if (child.id) byId.set(child.id, child);
  // What is gone goes first, so that what stays need not move: moving takes the focus away.
  const stays = new Set([...fresh.children].map((child) => child.id));
  for (const [id, child] of byId) if (!stays.has(id)) child.remove();
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    let mine = wanted.id ? byId.get(wanted.id) : place;
    if (!wanted.id) while (mine && mine.id) mine = mine.nextSibling;
    if (mine && same(mine, wanted)) {
      while (place && place !== mine && blank(place)) {
        const next = place.nextSibling;
        place.remove();
        place = next;
      }
      if (mine !== place) old.insertBefore(mine, place);
      else place = place.nextSibling;
      if (mine.nodeType === Node.ELEMENT_NODE) morph(mine, wanted);
      else if (mine.nodeValue !== wanted.nodeValue) mine.nodeValue = wanted.nodeValue;
    } else {
      old.insertBefore(document.importNode(wanted, true), place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function blank(node) {
  return node.nodeType === Node.TEXT_NODE && !node.nodeValue.trim();
}

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}
