// The client of npm's @modelcontextprotocol/client, with the settings and the lines of examples/mcp/client.py.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

const { MCP_URL, CALLBACK_PORT, CLIENT_ID, CLIENT_METADATA_URL, REGISTRATION_TOKEN } = process.env;
const redirectUrl = `http://127.0.0.1:${CALLBACK_PORT}/callback`;

const kept = { client: CLIENT_ID ? { client_id: CLIENT_ID } : undefined };
let came;
const callback = new Promise((resolve) => { came = resolve; });
const provider = {
  redirectUrl,
  clientMetadataUrl: CLIENT_METADATA_URL,
  clientMetadata: {
    client_name: "Notes",
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  },
  state: () => (kept.state = crypto.randomUUID()),
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
  saveDiscoveryState: (state) => { kept.discovery = state; },
  discoveryState: () => kept.discovery,
  redirectToAuthorization: (url) => { console.log(`Open ${url}`); },
};
const fetchWithToken = (url, init) => {
  if (!REGISTRATION_TOKEN || !String(url).endsWith("/register")) return fetch(url, init);
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${REGISTRATION_TOKEN}`);
  return fetch(url, { ...init, headers });
};
const transport = () => new StreamableHTTPClientTransport(
  new URL(MCP_URL), { authProvider: provider, fetch: fetchWithToken },
);

const listener = createServer((request, response) => {
  response.end("Back to the terminal.\n");
  const url = new URL(request.url, redirectUrl);
  if (url.pathname === "/callback") came(url.searchParams);
}).listen(Number(CALLBACK_PORT), "127.0.0.1");

const client = new Client({ name: "notes", version: "1.0.0" });
const first = transport();
try {
  await client.connect(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  const brought = await callback;
  if (brought.get("state") !== kept.state) throw new Error("the state is another");
  if (!brought.has("code")) {
    console.error(`Refused: ${brought.get("error")}`);
    process.exit(1);
  }
  await first.finishAuth(brought);
  await client.connect(transport());
}
for await (const line of createInterface({ input: process.stdin })) {
  const result = await client.callTool({ name: "add_note", arguments: { text: line } });
  console.log(result.content.map((part) => part.text).join(", "));
}
await client.close();
listener.close();
