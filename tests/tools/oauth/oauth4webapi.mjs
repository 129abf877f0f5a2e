// npm oauth4webapi as its documentation says, each answer checked by it. Asked by tests/e2e/test_client_libraries.py.
import * as oauth from "oauth4webapi";
import { refusal, run, visit } from "./conversation.mjs";

const insecure = ({ issuer }) => ({ [oauth.allowInsecureRequests]: issuer.startsWith("http:") });

async function discover(given, algorithm) {
  const issuer = new URL(given.issuer);
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure(given) });
  return oauth.processDiscoveryResponse(issuer, response);
}

/** Log the user in; returns what the checked token response holds. */
async function logIn(as, client, how, given, more) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const parameters = {
    client_id: client.client_id,
    redirect_uri: given.callback,
    response_type: "code",
    scope: "openid offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...more,
  };
  const url = new URL(as.authorization_endpoint);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const answer = oauth.validateAuthResponse(as, client, await visit(url), state);
  const response = await oauth.authorizationCodeGrantRequest(as, client, how, answer, given.callback, verifier, insecure(given));
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
    expectedNonce: nonce,
    maxAge: more?.max_age === undefined ? undefined : Number(more.max_age),
    requireIdToken: true,
  });
  await oauth.validateApplicationLevelSignature(as, response, insecure(given));
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens), answer, verifier };
}

async function code(given) {
  const as = await discover(given, given.algorithm);
  const client = { client_id: given.id, require_auth_time: true };
  const how = oauth.None();
  const { tokens, claims, answer, verifier } = await logIn(as, client, how, given, { max_age: "600" });
  const userinfo = await oauth.userInfoRequest(as, client, tokens.access_token, insecure(given));
  const user = await oauth.processUserInfoResponse(as, client, claims.sub, userinfo);
  const refresh = await oauth.refreshTokenGrantRequest(as, client, how, tokens.refresh_token, insecure(given));
  const renewed = await oauth.processRefreshTokenResponse(as, client, refresh);
  await oauth.validateApplicationLevelSignature(as, refresh, insecure(given));
  const reused = await oauth.authorizationCodeGrantRequest(
    as, client, how, answer, given.callback, verifier, insecure(given),
  );
  const twice = await refusal(oauth.processAuthorizationCodeResponse(as, client, reused));
  const after = await oauth.userInfoRequest(as, client, renewed.access_token, insecure(given));
  const ended = await refusal(oauth.processUserInfoResponse(as, client, claims.sub, after));
  const revocation = await oauth.revocationRequest(as, client, how, renewed.refresh_token, insecure(given));
  await oauth.processRevocationResponse(revocation);
  return { claims, user, renewed: Object.keys(renewed).sort(), twice, ended, issuer: as.issuer };
}

/** A resource server checks the token that a client got for it (RFC 8707, RFC 9068), and asks about it (RFC 7662). */
async function resource(given) {
  const as = await discover(given, "oidc");
  const client = { client_id: given.id };
  const how = oauth.ClientSecretBasic(given.secret);
  const { tokens } = await logIn(as, client, how, given, { resource: given.resource });
  const request = new Request(given.resource, { headers: { Authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, request, given.resource, {
    signingAlgorithms: [given.signedBy],
    ...insecure(given),
  });
  const elsewhere = await oauth.validateJwtAccessToken(as, request, "https://other.example/", {
    signingAlgorithms: [given.signedBy],
    ...insecure(given),
  }).then(() => null, (error) => error.message);
  const server = { client_id: given.server.id };
  const response = await oauth.introspectionRequest(
    as, server, oauth.ClientSecretPost(given.server.secret), tokens.access_token, insecure(given),
  );
  const told = await oauth.processIntrospectionResponse(as, server, response);
  const refused = await oauth.userInfoRequest(as, client, tokens.access_token, insecure(given));
  const user = await refusal(oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, refused));
  const described = await oauth.resourceDiscoveryRequest(new URL(given.issuer), insecure(given));
  const own = await oauth.processResourceDiscoveryResponse(new URL(given.issuer), described);
  return { claims, elsewhere, told, user, own };
}

async function pushed(given) {
  const as = await discover(given, "oidc");
  const client = { client_id: given.id };
  const how = oauth.ClientSecretPost(given.secret);
  const verifier = oauth.generateRandomCodeVerifier();
  const parameters = {
    client_id: given.id,
    redirect_uri: given.callback,
    response_type: "code",
    scope: "openid",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  const push = async (more) =>
    oauth.processPushedAuthorizationResponse(
      as, client, await oauth.pushedAuthorizationRequest(as, client, how, { ...parameters, ...more }, insecure(given)),
    );
  const wrong = await refusal(push({ scope: "no_such_scope" }));
  const { request_uri: requestUri, expires_in: expiresIn } = await push({});
  const url = new URL(as.authorization_endpoint);
  url.searchParams.set("client_id", given.id);
  url.searchParams.set("request_uri", requestUri);
  const answer = oauth.validateAuthResponse(as, client, await visit(url), oauth.expectNoState);
  const response = await oauth.authorizationCodeGrantRequest(
    as, client, how, answer, given.callback, verifier, insecure(given),
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { requireIdToken: true });
  return { wrong, expiresIn, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

async function itself(given) {
  const as = await discover(given, "oauth2");
  const client = { client_id: given.id };
  const ask = async (secret, parameters) =>
    oauth.processClientCredentialsResponse(
      as, client,
      await oauth.clientCredentialsGrantRequest(as, client, oauth.ClientSecretBasic(secret), parameters, insecure(given)),
    );
  const tokens = await ask(given.secret, { resource: given.resource, scope: "notes:read" });
  const wrong = await ask("wrong", {}).then(() => null, (error) => error.cause?.[0] ?? error.error ?? String(error));
  return { tokens: Object.keys(tokens).sort(), wrong };
}

async function device(given) {
  const as = await discover(given, "oauth2");
  const client = { client_id: given.id };
  const how = oauth.None();
  const begin = await oauth.deviceAuthorizationRequest(as, client, how, { scope: "openid" }, insecure(given));
  const begun = await oauth.processDeviceAuthorizationResponse(as, client, begin);
  const poll = async () =>
    oauth.processDeviceCodeResponse(
      as, client, await oauth.deviceCodeGrantRequest(as, client, how, begun.device_code, insecure(given)),
    );
  const early = await refusal(poll());
  await visit(begun.verification_uri_complete);
  const fast = await refusal(poll());
  return { early, fast, keys: Object.keys(begun).sort() };
}

async function registration(given) {
  const as = await discover(given, "oidc");
  const response = await oauth.dynamicClientRegistrationRequest(
    as,
    { client_name: "Registered by itself", redirect_uris: [given.callback], token_endpoint_auth_method: "none" },
    { initialAccessToken: given.initial, ...insecure(given) },
  );
  const client = await oauth.processDynamicClientRegistrationResponse(response);
  const { claims } = await logIn(as, client, oauth.None(), given);
  return { claims, client };
}

/** Tokens that are bound to a key (RFC 9449), from the pushed request to a resource server that reads them. */
async function bound(given) {
  const as = await discover(given, "oidc");
  const client = { client_id: given.id };
  const how = oauth.None();
  const key = await oauth.generateKeyPair(given.signedBy);
  const DPoP = oauth.DPoP(client, key);
  const options = { DPoP, ...insecure(given) };
  const verifier = oauth.generateRandomCodeVerifier();
  const parameters = {
    client_id: given.id,
    redirect_uri: given.callback,
    response_type: "code",
    scope: "openid offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  const push = await oauth.pushedAuthorizationRequest(as, client, how, parameters, options);
  const { request_uri: requestUri } = await oauth.processPushedAuthorizationResponse(as, client, push);
  const url = new URL(as.authorization_endpoint);
  url.searchParams.set("client_id", given.id);
  url.searchParams.set("request_uri", requestUri);
  const answer = oauth.validateAuthResponse(as, client, await visit(url), oauth.expectNoState);
  const redeemed = await oauth.authorizationCodeGrantRequest(
    as, client, how, answer, given.callback, verifier, options,
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, redeemed, { requireIdToken: true });
  const sub = oauth.getValidatedIdTokenClaims(tokens).sub;
  const user = await oauth.processUserInfoResponse(
    as, client, sub, await oauth.userInfoRequest(as, client, tokens.access_token, options),
  );
  const keyless = await oauth.userInfoRequest(as, client, tokens.access_token, insecure(given));
  const challenge = await oauth.processUserInfoResponse(as, client, sub, keyless)
    .then(() => null, (error) => error.cause?.map?.(({ scheme, parameters: told }) => ({ scheme, ...told })));
  const account = await oauth.protectedResourceRequest(
    tokens.access_token, "GET", new URL(`${given.issuer}/auth/me?fields=all`), undefined, null, options,
  );
  const refresh = await oauth.refreshTokenGrantRequest(as, client, how, tokens.refresh_token, options);
  const renewed = await oauth.processRefreshTokenResponse(as, client, refresh);
  const other = { ...options, DPoP: oauth.DPoP(client, await oauth.generateKeyPair("ES256")) };
  const stolen = await refusal(
    oauth.refreshTokenGrantRequest(as, client, how, renewed.refresh_token, other)
      .then((response) => oauth.processRefreshTokenResponse(as, client, response)),
  );
  const again = await oauth.refreshTokenGrantRequest(as, client, how, renewed.refresh_token, options);
  const last = await oauth.processRefreshTokenResponse(as, client, again);
  return {
    sub, user: user.sub, type: tokens.token_type, renewed: last.token_type, challenge, stolen,
    account: account.status, algorithms: as.dpop_signing_alg_values_supported,
  };
}

await run({ code, resource, pushed, itself, device, registration, bound });
