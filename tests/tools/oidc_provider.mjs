// A provider of OpenID Connect for tests/e2e/test_social_login.py: oidc-provider as it is, with its login form of
// development, where any name logs in. Arguments: its port, the address of the service that sends people to it, and the
// name of the key that it signs with, which is made at each start.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [port, service, kid] = process.argv.slice(2);
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "latchkey",
      client_secret: "s3cret/+ x",
      redirect_uris: [`${service}/auth/providers/upstream/callback`],
    },
  ],
  jwks: { keys: [{ ...key, kid, alg: "RS256", use: "sig" }] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: `Somebody called ${id}` }),
  }),
});
provider.listen(Number(port), "127.0.0.1");
