"use strict";
// Passkeys in the forms of the login: what a passkey answers goes into hidden fields, and the form is sent as always.
const sheet = document.getElementById("sign-in");
const knowsPasskeys = Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON && navigator.credentials);
const RENEW_MS = 4 * 60_000; // before the ceremony that waits for the autofill expires
const FAILED = {
  NotAllowedError:
    "The passkey was not used: the request was cancelled, took too long, or your device could not check that it is you.",
  ConstraintError: "This device cannot check that it is you. Set up a screen lock or a PIN, or use another device.",
  InvalidStateError: "There is already a passkey of your account on this device.",
  NotSupportedError: "This device cannot make a passkey that the service accepts.",
  SecurityError: "Passkeys do not work at this address. Open the page at the address that you know.",
};
let autofill = null; // stops the ceremony that waits until the user picks a passkey in the field of the name
let busy = false;

/** What a passkey has to sign: from the page itself, or from the API. */
async function asked() {
  if (sheet.dataset.asked) return JSON.parse(sheet.dataset.asked);
  const token = sheet.elements.login_token?.value;
  const reply = await fetch(`${sheet.dataset.root}${sheet.dataset.options}`, {
    method: "POST",
    headers: { Accept: "application/json", ...(token && { "Content-Type": "application/json" }) },
    body: token && JSON.stringify({ login_token: token, method: "passkey" }),
    credentials: "omit",
  });
  const said = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(said.message), { name: "Refusal" });
  return said.data;
}

/** Lets the browser make a passkey, or ask for one, and sends the form with its answer. */
async function prove(begun, how) {
  const makes = "makes" in sheet.dataset;
  const parse = makes ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  const publicKey = PublicKeyCredential[parse](begun.options);
  const credential = await navigator.credentials[makes ? "create" : "get"]({ publicKey, ...how });
  sheet.elements.ceremony.value = begun.ceremony;
  sheet.elements.credential.value = JSON.stringify(credential.toJSON());
  for (const name of ["password", "code"]) if (sheet.elements[name]) sheet.elements[name].value = "";
  sheet.submit();
}

async function usePasskey() {
  if (busy) return;
  busy = true;
  autofill?.abort();
  const failed = sheet.querySelector("[data-failed]");
  failed.textContent = "";
  try {
    await prove(await asked());
  } catch (failure) {
    busy = false;
    failed.textContent =
      failure.name === "Refusal" ? failure.message : (FAILED[failure.name] ?? "Something went wrong. Try again.");
    if ("autofill" in sheet.dataset) offerAutofill();
  }
}

/** Lets the browser offer passkeys in the field of the name, until `autofill` is aborted. */
async function offerAutofill() {
  autofill?.abort();
  const ours = (autofill = new AbortController());
  const stopped = () => ours.signal.aborted;
  try {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.()) || stopped()) return;
    const begun = await asked();
    if (stopped()) return;
    const renewal = setTimeout(() => stopped() || offerAutofill(), RENEW_MS);
    ours.signal.addEventListener("abort", () => clearTimeout(renewal));
    await prove(begun, { mediation: "conditional", signal: ours.signal });
  } catch {
    // Nobody asked for this yet: without it, the button is still there.
  }
}

if (sheet && knowsPasskeys) {
  for (const part of document.querySelectorAll("[data-passkey], [data-asks]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-passkeys]")) part.hidden = true;
  for (const part of document.querySelectorAll("[data-passkey]")) part.addEventListener("click", usePasskey);
  sheet.addEventListener("submit", () => autofill?.abort());
  window.addEventListener("pageshow", (event) => { if (event.persisted) busy = false; });
  if ("autofill" in sheet.dataset) offerAutofill();
  if (sheet.dataset.asked) usePasskey();
}
