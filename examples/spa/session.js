// Keeps the user logged in. The access token is in a variable, the refresh token in a cookie that no script can read.
//
// What changes the cookie (a login, a refresh, a logout) waits for its turn, across all tabs: otherwise a late reply
// could put back an older cookie. Each new access token is told to the other tabs, so that one refreshes for all.

const SERVICE = document.querySelector("meta[name=latchkey]").content;
const PATIENCE = 15_000; // milliseconds
const HINT = "latchkey-logged-in"; // says that a refresh is worth a try; it is no secret

let current = null; // {accessToken, expiresAt, user} while the user is logged in
let timer;
let tell = () => {};

const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("latchkey") : null;
tabs?.addEventListener("message", ({ data }) => adopt(data));

/** A refusal of the service, or none at all (`status` 0). Its message is for the user. */
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super([problem.message, ...(problem.errors ?? []).map((each) => each.message)].join("\n"));
    this.status = status;
    this.code = problem.code;
    this.retryAfter = retryAfter; // seconds
  }
}

/** Calls `listener` with the user, or null if nobody is logged in: now, and after each change in any tab. */
export async function watch(listener) {
  tell = listener;
  if (hint()) await refresh().catch(giveUpOrRetry);
  else tell(null);
}

export const register = (username, password) => logInAt("/auth/register", { username, password });

export const logIn = (username, password) => logInAt("/auth/login", { username, password });

export function logOut() {
  return inTurn(async () => {
    try {
      // The access token may have expired; only the service's word ends the session and clears the cookie.
      if (isExpired()) begin(await send("POST", "/auth/refresh"));
      await send("POST", "/auth/logout", {}, current.accessToken);
    } catch (refusal) {
      if (refusal.status !== 401) throw refusal; // 401: the session had ended before
    }
    end();
    tabs?.postMessage(null);
  });
}

/** The `data` of a reply to the user's request; throws a Refusal. */
export async function call(method, path, body) {
  if (isExpired()) await refresh();
  const used = current?.accessToken;
  try {
    return await send(method, path, body, used);
  } catch (refusal) {
    if (refusal.status !== 401) throw refusal;
  }
  await refresh(used);
  return send(method, path, body, current?.accessToken);
}

function logInAt(path, body) {
  return inTurn(async () => {
    const data = await send("POST", path, body);
    if (!data?.access_token) throw new Refusal(0, { code: "check_mail", message: "Check your mail to go on." });
    begin(data);
  });
}

/** Gets a new access token, unless another tab has got one in place of `former`, or logged out. */
async function refresh(former = current?.accessToken) {
  await inTurn(async () => {
    if (current?.accessToken !== former) return;
    try {
      begin(await send("POST", "/auth/refresh"));
    } catch (refusal) {
      if (refusal.status === 401) end(); // the other tabs ask for themselves: one of them may have logged in again
      throw refusal;
    }
  });
}

function giveUpOrRetry(refusal) {
  if (refusal.status === 401) return; // logged out, which was told
  if (!current) tell(null, refusal);
  const passes = refusal.status === 0 || refusal.status === 429 || refusal.status >= 500;
  if (passes) refreshIn(refusal.retryAfter || 5);
}

/** Runs `change` when no other tab changes the cookie. Old browsers, and pages on http, have no locks: they just run it. */
function inTurn(change) {
  return navigator.locks ? navigator.locks.request("latchkey", change) : change();
}

/** Logged in, or refreshed: this tab and all others. */
function begin(data) {
  const news = { accessToken: data.access_token, expiresAt: Date.now() + data.expires_in * 1000, user: data.user };
  hint(true);
  adopt(news);
  tabs?.postMessage(news);
}

/** Logged out: this tab. */
function end() {
  hint(false);
  adopt(null);
}

function adopt(news) {
  current = news;
  clearTimeout(timer);
  if (current) {
    const left = (current.expiresAt - Date.now()) / 1000;
    refreshIn(left - Math.min(60, left / 5)); // before it expires
  }
  tell(current?.user ?? null);
}

function refreshIn(seconds) {
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(giveUpOrRetry), seconds * 1000);
}

function isExpired() {
  return !current || current.expiresAt <= Date.now();
}

/** Whether somebody is logged in, as far as is known; or keeps that. It saves guests a request that is refused. */
function hint(value) {
  try {
    if (value === true) localStorage.setItem(HINT, "1");
    if (value === false) localStorage.removeItem(HINT);
    return localStorage.getItem(HINT) !== null;
  } catch {
    return true; // no storage: try
  }
}

async function send(method, path, body, accessToken) {
  const headers = { "X-Auth-Cookies": "1" }; // the refresh token in the cookie only
  if (body) headers["Content-Type"] = "application/json";
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  let reply;
  try {
    reply = await fetch(SERVICE + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "include", // or the browser neither sends nor keeps the cookie
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Refusal(0, { code: "unreachable", message: "The service cannot be reached. Try again later." });
  }
  const content = await reply.json().catch(() => ({ message: "Something went wrong. Try again later." }));
  if (reply.ok) return content.data;
  throw new Refusal(reply.status, content, Number(reply.headers.get("Retry-After")));
}
