// Logs in to Latchkey, with a second factor if the account has one, and exports what Latchkey holds of the user.
import { createInterface } from 'node:readline';

const latchkey = (process.env.LATCHKEY_URL ?? 'http://localhost:5000').replace(/\/+$/, '');
const typed = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** An access token. */
async function logIn(name) {
  let reply = await firstFactor(name);
  while (reply.code === 'second_factor_required') {
    reply = (await secondFactor(reply.login)) ?? (await firstFactor(name));
  }
  return succeeded(reply).data.access_token;
}

async function firstFactor(name) {
  return send('POST', '/auth/login', { login: name, password: await ask('Password') });
}

/** The reply to a code that is right; null if the login has to begin again. */
async function secondFactor(login) {
  for (;;) {
    const proof = await codeFor(login);
    const reply = await send('POST', '/auth/login/continue', { login_token: login.token, ...proof });
    if (reply.code === 'invalid_code') {
      console.error(reply.message); // the same login, for up to five codes
    } else if (reply.code === 'invalid_login_token') {
      console.error(reply.message); // too many of them, too late, or the password was changed
      return null;
    } else {
      return reply;
    }
  }
}

/** A code that the user types, and its method. A newer Latchkey may name steps and methods that are unknown here. */
async function codeFor({ next, methods }) {
  if (next !== 'second_factor' || !methods.some((method) => ['totp', 'recovery_code'].includes(method))) {
    throw new Error(`This login needs what this program does not have: ${next} by ${methods}.`);
  }
  const code = await ask('Code of your authenticator app, or recovery code');
  return { method: /^\d+$/.test(code) ? 'totp' : 'recovery_code', code };
}

/** All that Latchkey holds of the user. */
async function exportData(token) {
  let reply = await send('GET', '/auth/me/export', undefined, token);
  while (reply.code === 'reauthentication_required') {
    token = await authenticateAgain(token, reply.methods);
    reply = await send('GET', '/auth/me/export', undefined, token);
  }
  return succeeded(reply);
}

/** An access token of the same session that says that its user is still there; the old one gains nothing. */
async function authenticateAgain(token, methods) {
  for (;;) {
    let proof;
    if (methods.includes('totp')) {
      proof = { method: 'totp', code: await ask('Code of your authenticator app') };
    } else if (methods.includes('password')) {
      proof = { password: await ask('Password') };
    } else {
      throw new Error(`This needs what this program does not have: ${methods}.`);
    }
    const reply = await send('POST', '/auth/reauthenticate', proof, token);
    if (!['invalid_code', 'wrong_password'].includes(reply.code)) {
      return succeeded(reply).data.access_token;
    }
    console.error(reply.message);
  }
}

/** The reply, whatever its status: `code` says what went wrong, `message` is for people. */
async function send(method, path, body, token) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  const signal = AbortSignal.timeout(30_000);
  const reply = await fetch(latchkey + path, { method, headers, body: body && JSON.stringify(body), signal });
  return reply.json();
}

/** The reply, if it is no failure; among others `too_many_requests` ends the program here. */
function succeeded(reply) {
  if (reply.code) throw new Error(`${reply.code}: ${reply.message}`);
  return reply;
}

/** A line that the user types. */
async function ask(what) {
  process.stderr.write(`${what}: `);
  const { value, done } = await typed.next();
  if (done) throw new Error('There is no more input.');
  return value;
}

const [command, name] = process.argv.slice(2);
try {
  if (command === 'login' && name) {
    console.log(await logIn(name));
  } else if (command === 'export') {
    console.log(JSON.stringify(await exportData(process.env.ACCESS_TOKEN)));
  } else {
    throw new Error('usage: client.mjs login NAME | ACCESS_TOKEN=... client.mjs export');
  }
  process.stdin.destroy(); // or the program waits for what nobody types
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
