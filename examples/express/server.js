// An Express application that checks Latchkey's access tokens by its published keys, without asking it.
import express from 'express';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const issuer = process.env.LATCHKEY_URL.replace(/\/+$/, '');
const audience = process.env.AUDIENCE ?? issuer;

// Cached for 5 minutes, like its max-age; a token with an unknown key fetches it again, at most every 10 seconds.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
  cacheMaxAge: 300_000,
  cooldownDuration: 10_000,
  timeoutDuration: 5_000,
});

const app = express();

app.get('/hello', authenticate, (req, res) => {
  res.json({ subject: req.claims.sub, roles: req.claims.roles ?? [] });
});

/** Puts the claims of the request's access token into `req.claims`; without a valid token it answers 401. */
async function authenticate(req, res, next) {
  const [, token] = /^Bearer +(\S+)$/i.exec(req.get('Authorization') ?? '') ?? [];
  if (!token) {
    return res.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'missing_token' });
  }
  try {
    req.claims = await verify(token);
  } catch (error) {
    if (isAboutTheKeySet(error)) {
      return res.status(503).set('Retry-After', '5').json({ error: 'unavailable' });
    }
    return res.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').json({ error: 'invalid_token' });
  }
  next();
}

/** The claims of an access token (RFC 9068); throws for anything else. */
async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['ES256'],
    typ: 'at+jwt',
    issuer,
    audience,
    clockTolerance: 30,
    requiredClaims: ['sub', 'iat', 'exp'],
  });
  return payload;
}

/** Whether the keys could not be fetched, which says nothing about the token. */
function isAboutTheKeySet(error) {
  const answers = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID'];
  return !(error instanceof errors.JOSEError) || answers.includes(error.code);
}

app.listen(Number(process.env.PORT ?? 8000), '127.0.0.1');
