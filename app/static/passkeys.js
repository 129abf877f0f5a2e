"use strict";
// The page of the passkeys: a client of the JSON API like any other. The access token is in a variable, and nowhere else.
const at = (id) => document.getElementById(id);
const page = at("page");
const knowsPasskeys = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON && navigator.credentials);
const RENEW_MS = 4 * 60_000; // before the ceremony that waits for the autofill expires

const IN_WORDS = {
  code: {
    expired_token: "You were logged out. Log in again.",
    invalid_credentials: "The account or the password is wrong.",
    invalid_code: "This was not right. Try again.",
    invalid_login_token: "This login took too long, or had too many wrong codes. Log in again.",
    invalid_token: "You were logged out. Log in again.",
    session_ended: "You were logged out. Log in again.",
    unknown_passkey: "This passkey does not belong to any account here. Log in another way.",
    wrong_password: "The password is wrong.",
  },
  ceremony: {
    ConstraintError: "This authenticator cannot check that it is you. Set up a screen lock or a PIN, or use another one.",
    InvalidStateError: "There is already a passkey of your account on this device.",
    NotAllowedError:
      "The passkey was not used: the request was cancelled, took too long, or your device could not check that it is you.",
    NotSupportedError: "This authenticator cannot make a passkey that the service accepts.",
  },
};

let token = null; // the access token
let user = null;
let listed = null; // what GET /auth/passkeys said last
let login = null; // what the login that is under way still needs
let autofill = null; // stops the ceremony that waits until the user picks a passkey in the field of the name
let busy = false;

/** A refusal of the API, or a service that cannot be reached. */
class Refusal extends Error {
  constructor(reply, said) {
    const message = IN_WORDS.code[said?.code] ?? said?.message ?? "The service does not answer. Try again later.";
    super([message, ...(said?.errors ?? []).map((error) => error.message), wait(reply)].join(" ").trim());
    Object.assign(this, { status: reply?.status, said, code: said?.code });
  }
}

function wait(reply) {
  const seconds = Number(reply?.headers.get("Retry-After"));
  if (!seconds) return "";
  return seconds > 90 ? `You can try again in ${Math.ceil(seconds / 60)} minutes.` : `You can try again in ${seconds} s.`;
}

/** The user closed a dialog. */
class Cancelled extends Error {}

/** The data of a reply of the API, which is asked with the access token or another one; raises Refusal. */
async function call(method, path, body, bearer = token) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  // Without cookies: this login must not replace that of an application of the same origin.
  const how = { method, headers, body: body && JSON.stringify(body), credentials: "omit" };
  let reply, said;
  try {
    reply = await fetch(`${page.dataset.root}${path}`, how);
    said = await reply.json();
  } catch {
    throw new Refusal(reply);
  }
  if (!reply.ok) throw new Refusal(reply, said);
  return said.data;
}

/** The same, after the user has confirmed that it is them, where the API asks for that. */
async function callFresh(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (refusal) {
    if (refusal.code !== "reauthentication_required") throw refusal;
    await confirm(refusal.said.methods);
    return call(method, path, body);
  }
}

/** Asks the browser to prove a passkey, as `{options}` of the API says; `how` is what else it gets. */
async function prove({ ceremony, options }, how) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey, ...how });
  return { ceremony, credential: credential.toJSON() };
}

/** Tells the authenticator something, if the browser can (WebAuthn Level 3, section 5.1.10). */
async function signal(what, facts) {
  try {
    await window.PublicKeyCredential?.[what]?.(facts);
  } catch {
    // It is a hint: nothing depends on it.
  }
}

// --- Login

async function logInByPassword() {
  const name = at("name").value.trim();
  await logIn("/auth/login", { login: name, password: at("password").value });
}

/** Logs in with what the browser has proven. */
async function logInByPasskey(begun, proof) {
  try {
    await logIn("/auth/login/passkey", proof);
  } catch (refusal) {
    if (refusal.code === "unknown_passkey") {
      await signal("signalUnknownCredential", { rpId: begun.options.rpId, credentialId: proof.credential.id });
    }
    if (refusal.code === "invalid_credentials") refusal.message = "This passkey was not accepted, or it took too long. Try again.";
    throw refusal;
  }
}

const beginLoginByPasskey = () => call("POST", "/auth/login/passkey/options");

/** Lets the browser offer passkeys in the field of the name, until `autofill` is aborted. */
async function offerAutofill() {
  autofill?.abort();
  const ours = (autofill = new AbortController());
  const stopped = () => ours.signal.aborted;
  try {
    if (!knowsPasskeys || !(await PublicKeyCredential.isConditionalMediationAvailable?.()) || stopped()) return;
    const begun = await beginLoginByPasskey();
    if (stopped()) return;
    const renewal = setTimeout(() => stopped() || offerAutofill(), RENEW_MS);
    ours.signal.addEventListener("abort", () => clearTimeout(renewal));
    const proof = await prove(begun, { mediation: "conditional", signal: ours.signal });
    clearTimeout(renewal);
    await act(() => logInByPasskey(begun, proof));
  } catch {
    // Nobody asked for this yet: without it, the button is still there.
  }
}

async function logIn(path, body) {
  try {
    ({ access_token: token, user } = await call("POST", path, body));
  } catch (refusal) {
    if (refusal.code !== "second_factor_required") throw refusal;
    askForSecondFactor(refusal.said.login);
    return;
  }
  autofill?.abort();
  login = null;
  await showAccount();
  show("account");
}

function askForSecondFactor(asked) {
  if (asked.next === "enrol_factor" && asked.methods.includes("passkey") && knowsPasskeys) {
    login = asked;
    show("enrol");
    return;
  }
  const offers = (...methods) => asked.methods.some((method) => methods.includes(method));
  const byCode = offers("totp", "recovery_code");
  const byPasskey = offers("passkey") && knowsPasskeys;
  if (asked.next !== "second_factor" || !(byCode || byPasskey)) {
    throw new Refusal(undefined, { message: "This login needs something that this page cannot do. Log in to your application." });
  }
  login = asked;
  at("by-code").hidden = !byCode;
  at("second-passkey").hidden = !byPasskey;
  show("second");
}

/** Adds the first passkey of a user who needs one to log in. */
async function enrol() {
  let made;
  try {
    made = await makePasskey((path, body) => call("POST", path, body, login.token), "enrolled_name");
  } catch (refusal) {
    if (refusal.status !== 401) throw refusal;
    show("login"); // the login took too long, or the user has a factor by now: then they are asked for it
    throw new Refusal(undefined, { code: "invalid_login_token" });
  }
  askForSecondFactor({ ...login, next: "second_factor", methods: ["passkey"] });
  tell(`“${made.passkey.name}” is added. Use it to log in.`);
  if (made.recovery_codes) showCodes(made.recovery_codes);
}

async function continueByCode() {
  const code = at("code").value.replace(/\s/g, "");
  const method = /^\d{6}$/.test(code) ? "totp" : "recovery_code";
  await goOn({ method, code });
}

async function continueByPasskey() {
  const begun = await goingOn(call("POST", "/auth/login/options", { login_token: login.token, method: "passkey" }));
  await goOn({ method: "passkey", ...(await prove(begun)) });
}

const goOn = (proof) => goingOn(logIn("/auth/login/continue", { login_token: login.token, ...proof }));

/** Shows the first step again, if the login cannot be continued. */
async function goingOn(asked) {
  try {
    return await asked;
  } catch (refusal) {
    if (refusal.code === "invalid_login_token") show("login");
    throw refusal;
  }
}

async function logOut() {
  const ended = call("POST", "/auth/logout", {});
  leave();
  await ended;
  tell("You are logged out.");
}

/** Forgets the login, and shows the first step. */
function leave() {
  token = user = listed = null;
  at("passkeys").replaceChildren();
  hideCodes();
  show("login");
}

// --- The passkeys of the account

async function showAccount() {
  listed = await call("GET", "/auth/passkeys");
  at("user").textContent = at("step-up-user").value = user.email ?? user.username;
  at("none").hidden = listed.passkeys.length > 0;
  at("passkeys").replaceChildren(...listed.passkeys.map(card));
  const { rp_id: rpId, user_handle: userId, credential_ids: allAcceptedCredentialIds } = listed;
  if (!userId) return;
  await signal("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds });
  const name = user.email ?? user.username;
  await signal("signalCurrentUserDetails", { rpId, userId, name, displayName: user.name ?? name });
}

function card(passkey) {
  const item = at("passkey").content.cloneNode(true);
  const facts = [
    passkey.provider,
    `added on ${day(passkey.created_at)}`,
    passkey.last_used_at ? `last used on ${day(passkey.last_used_at)}` : "never used",
    passkey.backed_up ? "synced to your other devices" : "on one device only",
  ].filter((fact, place, all) => fact && all.indexOf(fact) === place && fact !== passkey.name);
  item.querySelector("h3").textContent = passkey.name;
  item.querySelector("p").textContent = facts.join(" · ");
  for (const button of item.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent} ${passkey.name}`);
    button.addEventListener("click", () => act(() => ACTIONS[button.dataset.does](passkey)));
  }
  return item;
}

const day = (time) => new Date(time).toLocaleDateString("en-GB", { dateStyle: "long" });

async function add() {
  const made = await makePasskey((path, body) => callFresh("POST", path, body), "passkey_name");
  at("add").reset();
  await showAccount();
  tell(`“${made.passkey.name}” is added.`);
  if (made.recovery_codes) showCodes(made.recovery_codes);
}

/** Makes a passkey with the name in this field; `post` sends the two requests for it, and the reply is the last one's. */
async function makePasskey(post, field) {
  const { ceremony, options } = await post("/auth/passkeys/options");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = (await navigator.credentials.create({ publicKey })).toJSON();
  const name = at(field).value.trim() || undefined;
  try {
    return await post("/auth/passkeys", { ceremony, credential, name });
  } catch (refusal) {
    // The authenticator has made a passkey that the service will not accept: it need not be offered.
    if (refusal.status < 500 && refusal.code !== "factor_exists") {
      await signal("signalUnknownCredential", { rpId: options.rp.id, credentialId: credential.id });
    }
    throw refusal;
  }
}

const ACTIONS = {
  async rename(passkey) {
    at("new_name").value = passkey.name;
    await ask("rename");
    const name = at("new_name").value.trim();
    await callFresh("PATCH", `/auth/passkeys/${passkey.id}`, { name });
    await showAccount();
    tell(`The passkey is called “${name}” now.`);
    at("account-title").focus();
  },
  async remove(passkey) {
    at("removed-name").textContent = passkey.name;
    await ask("remove");
    await callFresh("DELETE", `/auth/passkeys/${passkey.id}`);
    await showAccount();
    tell(`“${passkey.name}” is removed.`);
    at("account-title").focus();
  },
};

function showCodes(codes) {
  at("codes-list").replaceChildren(
    ...codes.map((code) => {
      const item = document.createElement("li");
      item.append(document.createElement("code"));
      item.firstChild.textContent = code;
      return item;
    }),
  );
  at("codes").hidden = false;
  at("codes-title").focus();
}

function hideCodes() {
  at("codes").hidden = true;
  at("codes-list").replaceChildren();
}

// --- Dialogs

/** Opens a dialog; raises Cancelled, unless its form is sent. */
function ask(id) {
  const dialog = at(id);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    const closed = () => (dialog.returnValue === "sent" ? resolve() : reject(new Cancelled()));
    dialog.addEventListener("close", closed, { once: true });
  });
}

/** Lets the user prove again that it is them, by one of the methods; raises Cancelled. */
async function confirm(methods) {
  at("step-up-failed").textContent = "";
  at("step-up-by-password").hidden = !methods.includes("password");
  at("step-up-by-code").hidden = !methods.includes("totp");
  at("step-up-by-passkey").hidden = !(methods.includes("passkey") && knowsPasskeys);
  await ask("step-up");
}

async function reauthenticate(proof) {
  const dialog = at("step-up");
  at("step-up-failed").textContent = "";
  try {
    ({ access_token: token } = await call("POST", "/auth/reauthenticate", await proof()));
    dialog.close("sent");
  } catch (failure) {
    if (isLoggedOut(failure)) dialog.close();
    at("step-up-failed").textContent = inWords(failure);
  } finally {
    for (const form of dialog.querySelectorAll("form")) form.reset();
  }
}

const STEP_UP = {
  password: () => ({ password: at("step_up_password").value }),
  code: () => ({ method: "totp", code: at("step_up_code").value.replace(/\s/g, "") }),
  passkey: async () => prove(await call("POST", "/auth/reauthenticate/options")),
};

// --- What the page shows

/** Shows one of the sections, and moves the focus to its heading. */
function show(id) {
  for (const section of page.querySelectorAll("section")) section.hidden = section.id !== id;
  for (const form of page.querySelectorAll("form")) form.reset();
  at(`${id}-title`).focus();
}

/** Says how something went: a text, or a failure. */
function tell(news) {
  const failed = news instanceof Error;
  at("done").textContent = failed ? "" : news;
  at("failed").textContent = failed ? inWords(news) : "";
}

function inWords(failure) {
  if (failure instanceof Refusal) return failure.message;
  if (failure instanceof Cancelled) return "Nothing was changed.";
  if (failure.name === "SecurityError") {
    return `Passkeys do not work at this address. Open ${page.dataset.home} instead.`;
  }
  return IN_WORDS.ceremony[failure.name] ?? "Something went wrong. Reload the page, and try again.";
}

const isLoggedOut = (failure) => token !== null && failure instanceof Refusal && failure.status === 401;

/** Does one thing that the user asked for, and says if it fails. */
async function act(work) {
  if (busy) return;
  busy = true;
  tell("");
  page.setAttribute("aria-busy", "true");
  autofill?.abort();
  try {
    await work();
  } catch (failure) {
    if (isLoggedOut(failure)) leave();
    tell(failure);
  } finally {
    busy = false;
    page.removeAttribute("aria-busy");
    if (!at("login").hidden) offerAutofill();
  }
}

function on(id, event, work) {
  at(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    work();
  });
}

on("by-password", "submit", () => act(logInByPassword));
on("by-passkey", "click", () =>
  act(async () => {
    const begun = await beginLoginByPasskey();
    await logInByPasskey(begun, await prove(begun));
  }),
);
on("by-code", "submit", () => act(continueByCode));
on("second-passkey", "click", () => act(continueByPasskey));
on("enrol-passkey", "submit", () => act(enrol));
on("add", "submit", () => act(add));
on("log-out", "click", () => act(logOut));
on("codes-saved", "click", hideCodes);
on("rename", "submit", () => at("rename").close("sent"));
on("remove", "submit", () => at("remove").close("sent"));
on("step-up-by-password", "submit", () => reauthenticate(STEP_UP.password));
on("step-up-by-code", "submit", () => reauthenticate(STEP_UP.code));
on("step-up-by-passkey", "click", () => reauthenticate(STEP_UP.passkey));
for (const button of document.querySelectorAll("[data-starts-over]")) {
  button.addEventListener("click", () => act(async () => show("login")));
}
for (const button of document.querySelectorAll("[data-closes]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// A page that is left ends its session: the token is gone with it.
window.addEventListener("pagehide", () => {
  if (!token) return;
  const headers = { Authorization: `Bearer ${token}` };
  fetch(`${page.dataset.root}/auth/logout`, { method: "POST", headers, credentials: "omit", keepalive: true });
  leave();
});
window.addEventListener("beforeunload", (event) => {
  if (!at("codes").hidden) event.preventDefault();
});

if (knowsPasskeys) {
  at("unable").hidden = true;
} else {
  at("unable").textContent =
    "This browser cannot use passkeys, or this page was not opened over https. Here you can only rename and remove them.";
  for (const part of document.querySelectorAll("[data-ceremony]")) part.hidden = true;
}
page.hidden = false;
offerAutofill();
