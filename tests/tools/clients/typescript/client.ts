// What an application does with the types of openapi-typescript and openapi-fetch; tests/e2e/test_generated_clients.py.

import createClient, { type Middleware } from "openapi-fetch";

import type { components, paths } from "./latchkey.js";

const [url, username, password] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: url });

const registered = await client.POST("/auth/register", { body: { username, password } });
if (registered.error) throw new Error(registered.error.code);

const opened = await client.POST("/auth/login", { body: { login: username, password } });
if (opened.error) throw new Error(opened.error.code);
const tokens: components["schemas"]["TokenPair"] = opened.data.data;

const bearer: Middleware = {
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${tokens.access_token}`);
  },
};
client.use(bearer); // on every request, the refresh as well

const me = await client.GET("/auth/me");
if (me.error) throw new Error(me.error.code);
const user: string = me.data.data.user.id;

const renewed = await client.POST("/auth/refresh", { body: { refresh_token: tokens.refresh_token } });
if (renewed.error) throw new Error(renewed.error.code);
const next: string = renewed.data.data.refresh_token;
if (next === tokens.refresh_token) throw new Error("the refresh token is the same");

const made = await client.POST("/api/products", { body: { name: "Lamp", price: 1234567.89 } });
if (made.error) throw new Error(made.error.code);
const price: number = made.data.data.product.price;

const refused = await client.POST("/auth/login", { body: { login: username, password: "not the password" } });
if (!refused.error) throw new Error("a wrong password is let in");
const code: components["schemas"]["Problem"]["code"] = refused.error.code;
const help: string = refused.error.help;

console.log(JSON.stringify({ user, price, code, help }));
