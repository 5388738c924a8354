// Keeps the page fresh: one stream of events for the whole page. An event makes it fetch itself again and exchange the
// parts marked with data-live. Without a stream, or without this script, the page is as it was when it was opened.
"use strict";

const sign = document.getElementById("live");
const GENTLY = 50, APART = 500, OFTEN = 30000, LONGEST = 60000;
let stream = null, wait = 1000, retry = 0, due = 0, next = 0, isBusy = false, isStale = false, isPressed = false;

function say(state, words) {
  if (sign.dataset.state === state) return;
  sign.hidden = false;
  sign.dataset.state = state;
  sign.textContent = words;
}

// Whether somebody works in a part at this moment: it is exchanged later.
function isInUse(part) {
  const focus = document.activeElement;
  const selection = document.getSelection();
  return isPressed || (focus !== part && part.contains(focus) && focus.matches("input, select, button, summary"))
    || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

async function refresh() {
  if (isBusy) { isStale = true; return; }
  isBusy = true;
  const began = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || isInUse(part) || next.innerHTML === part.innerHTML) continue;
      const focus = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
      for (const open of part.querySelectorAll("details[open][id]")) {
        const same = next.querySelector("#" + CSS.escape(open.id));
        if (same) same.open = true;
      }
      part.replaceChildren(...document.importNode(next, true).childNodes);
      if (focus) part.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    }
  } catch { /* The stream says whether the daemon is there. */ } finally {
    isBusy = false;
    // A slow daemon is asked less often.
    next = Date.now() + Math.max(APART, 2 * (Date.now() - began));
    if (isStale) { isStale = false; soon(); }
  }
}

// Many events at once make one refresh, and refreshes keep a distance. The first event after a silence is shown at once.
function soon() {
  if (due) return;
  due = setTimeout(() => { due = 0; refresh(); }, Math.max(GENTLY, next - Date.now()));
}

function connect() {
  clearTimeout(retry);
  stream = new EventSource("/v1/stream");
  stream.onopen = () => { wait = 1000; say("live", "live"); soon(); };
  for (const name of ["change", "lagged"]) stream.addEventListener(name, soon);
  stream.onerror = () => {
    stream.close();
    say("lost", "reconnecting");
    retry = setTimeout(connect, wait);
    wait = Math.min(wait * 2, LONGEST);
  };
}

// Nothing is exchanged under a finger or a pointer that is down.
addEventListener("pointerdown", () => { isPressed = true; });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { isPressed = false; });

// A page that nobody sees holds no connection.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { clearTimeout(retry); stream?.close(); } else { wait = 1000; connect(); }
});
// Also without a stream: there may be no place for another one.
setInterval(() => { if (!document.hidden) soon(); }, OFTEN);
if (!document.hidden) connect();
