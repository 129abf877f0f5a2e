"use strict";
// The token of a mailed link follows the #, so that it reaches no server and no log. This moves it into the form.
const SENDS_AGAIN_MS = 10_000;
const form = document.querySelector("form[data-mailed-link]");

function takeToken() {
  // In links that commands print the token stands alone.
  const hash = window.location.hash.slice(1);
  const token = new URLSearchParams(hash).get("token") ?? (/^[\w-]{88}$/.test(hash) ? hash : null);
  if (token === null) return;
  window.history.replaceState(null, "", window.location.pathname);
  if (!form || !/^[\w-]{1,200}$/.test(token)) return;
  form.elements.token.value = token;
  for (const part of document.querySelectorAll("[data-without-link]")) {
    part.hidden = true;
    part.disabled = true;
  }
  for (const part of document.querySelectorAll("[data-with-link]")) part.hidden = false;
  // This only shows what the link is for: the next page asks before anything changes.
  if (form.dataset.mailedLink === "submit") form.submit();
}

for (const button of document.querySelectorAll("button[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  // Otherwise the browser would remember the password as ordinary text.
  field.form.addEventListener("submit", () => { field.type = "password"; });
}

// A second click would find the code, or the answer, used up by the first. Who stopped the page may send it again.
for (const sheet of document.querySelectorAll("form[method=post]")) {
  let sentAt = -Infinity;
  sheet.addEventListener("submit", (event) => {
    if (event.timeStamp - sentAt < SENDS_AGAIN_MS) event.preventDefault();
    else sentAt = event.timeStamp;
  });
  window.addEventListener("pageshow", () => { sentAt = -Infinity; });
}

document.querySelector("[role=alert]")?.focus();
window.addEventListener("hashchange", takeToken);
takeToken();
