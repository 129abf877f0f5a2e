// npm openid-client as its documentation says, with all that it can check. Asked by tests/e2e/test_client_libraries.py.
import * as client from "openid-client";
import { refusal, run, visit } from "./conversation.mjs";

const options = ({ issuer }) => ({
  execute: [client.enableNonRepudiationChecks, ...(issuer.startsWith("http:") ? [client.allowInsecureRequests] : [])],
});

const discover = (given, how) =>
  client.discovery(new URL(given.issuer), given.id, given.secret ?? undefined, how?.(given.secret), options(given));

/** The parameters of a request, and what has to come back with its answer. */
async function asking({ callback }, more = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: callback,
    scope: "openid profile email offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: client.randomState(),
    nonce: client.randomNonce(),
    ...more,
  };
  const checks = {
    pkceCodeVerifier,
    expectedState: parameters.state,
    expectedNonce: parameters.nonce,
    idTokenExpected: true,
    ...(more.max_age === undefined ? {} : { maxAge: Number(more.max_age) }),
  };
  return { parameters, checks };
}

/** Log the user in; returns the tokens. */
async function logIn(config, given, more) {
  const { parameters, checks } = await asking(given, more);
  return client.authorizationCodeGrant(config, await visit(client.buildAuthorizationUrl(config, parameters)), checks);
}

async function code(given) {
  const config = await discover(given, client[given.how ?? "ClientSecretBasic"]);
  const tokens = await logIn(config, given, { max_age: "600" });
  const claims = tokens.claims();
  const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const active = given.secret ? await client.tokenIntrospection(config, tokens.access_token) : null;
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
  const second = await logIn(config, given, { scope: "openid", max_age: "600" });
  const silent = await logIn(config, given, { scope: "openid", prompt: "none", id_token_hint: second.id_token })
    .then((found) => found.claims().sub)
    .catch((error) => error.error);
  await client.tokenRevocation(config, renewed.refresh_token);
  const revoked = await refusal(client.refreshTokenGrant(config, renewed.refresh_token));
  const dead = await refusal(client.fetchUserInfo(config, renewed.access_token, claims.sub));
  const bye = client.buildEndSessionUrl(config, {
    post_logout_redirect_uri: given.loggedOut,
    id_token_hint: second.id_token,
    state: "bye",
  });
  const out = await visit(bye);
  const gone = await refusal(client.fetchUserInfo(config, second.access_token, claims.sub));
  const nobody = await refusal(logIn(config, given, { prompt: "none" }));
  return {
    claims, user, active, silent, revoked, dead, out: out.href, gone, nobody,
    scope: tokens.scope,
    renewed: renewed.refresh_token !== tokens.refresh_token && renewed.claims().sub === claims.sub,
    pkce: config.serverMetadata().supportsPKCE(),
  };
}

async function pushed(given) {
  const config = await discover(given);
  const { parameters, checks } = await asking(given);
  const url = await client.buildAuthorizationUrlWithPAR(config, parameters);
  const tokens = await client.authorizationCodeGrant(config, await visit(url), checks);
  return { sent: [...url.searchParams.keys()], sub: tokens.claims().sub };
}

async function itself(given) {
  const config = await discover(given);
  const tokens = await client.clientCredentialsGrant(config, { scope: "notes:read", resource: given.resource });
  const told = await client.tokenIntrospection(config, tokens.access_token);
  return { tokens: Object.keys(tokens), told };
}

async function device(given) {
  const config = await discover(given, client.None);
  const begun = await client.initiateDeviceAuthorization(config, { scope: "openid offline_access" });
  await visit(begun.verification_uri_complete);
  const tokens = await client.pollDeviceAuthorizationGrant(config, begun);
  return { sub: tokens.claims().sub, scope: tokens.scope, interval: begun.interval };
}

async function registration(given) {
  const metadata = {
    client_name: "Registered by itself",
    redirect_uris: [given.callback],
    token_endpoint_auth_method: given.method,
  };
  const how = given.method === "none" ? client.None() : undefined;
  const register = () =>
    client.dynamicClientRegistration(new URL(given.issuer), metadata, how, {
      ...options(given),
      initialAccessToken: given.initial,
    });
  const config = await register();
  const again = await refusal(register());
  const claims = (await logIn(config, given)).claims();
  return { sub: claims.sub, aud: claims.aud, id: config.clientMetadata().client_id, again };
}

/** A callback that did not come from this server, or answers another request, is refused by the client itself. */
async function mixedUp(given) {
  const config = await discover(given);
  const { parameters, checks } = await asking(given);
  const back = await visit(client.buildAuthorizationUrl(config, parameters));
  const altered = (name, value) => {
    const url = new URL(back);
    url.searchParams.set(name, value);
    return client.authorizationCodeGrant(config, url, checks).then(() => null, (error) => error.code ?? error.message);
  };
  const issuer = await altered("iss", "https://evil.example");
  const missing = new URL(back);
  missing.searchParams.delete("iss");
  const without = await client.authorizationCodeGrant(config, missing, checks).then(() => null, (error) => error.code);
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  return { issuer, without, sub: tokens.claims().sub };
}

/** Tokens that are bound to a key (RFC 9449), which the authorization request names. */
async function bound(given) {
  const config = await discover(given, client.ClientSecretBasic);
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair(given.signedBy));
  const { parameters, checks } = await asking(given, { dpop_jkt: await DPoP.calculateThumbprint() });
  const back = await visit(client.buildAuthorizationUrl(config, parameters));
  const keyless = await refusal(client.authorizationCodeGrant(config, back, checks));
  const second = await asking(given, { dpop_jkt: await DPoP.calculateThumbprint() });
  const answered = await visit(client.buildAuthorizationUrl(config, second.parameters));
  const tokens = await client.authorizationCodeGrant(config, answered, second.checks, undefined, { DPoP });
  const { sub } = tokens.claims();
  const user = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
  const told = await client.tokenIntrospection(config, tokens.access_token);
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  const naked = await refusal(client.fetchUserInfo(config, renewed.access_token, sub));
  return { keyless, sub, user: user.sub, type: tokens.token_type, told, naked };
}

await run({ code, pushed, itself, device, registration, bound, mixedUp });
