// A Node.js server that receives Latchkey's webhooks and believes only what Latchkey signed.
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const LARGEST = 64 * 1024;
const seen = new Set(); // in a real application: a table, and the work in the same transaction

const server = createServer(async (request, response) => {
  response.statusCode = await receive(request);
  response.end();
});

/** The status to answer with. */
async function receive(request) {
  if (request.method !== 'POST' || request.url !== '/webhook') return 404;
  const body = await bytesOf(request);
  if (body === null) return 413;
  let event;
  try {
    // Over the bytes as they came: JSON that was parsed and written again has another signature.
    event = webhook.verify(body, request.headers);
  } catch {
    return 400;
  }
  const delivery = request.headers['webhook-id'];
  if (!seen.has(delivery)) {
    seen.add(delivery); // a delivery may arrive more than once, always under the same identifier
    console.log(event.type, event.data.user?.id);
  }
  return 204;
}

/** The body, null if it is too long. */
async function bytesOf(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > LARGEST) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

server.listen(Number(process.env.PORT ?? 8000), '127.0.0.1');
