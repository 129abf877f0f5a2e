"""A Flask application that receives Latchkey's webhooks and believes only what Latchkey signed."""

import os

from flask import Flask, Response, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen: set[str] = set()  # in a real application: a table, and the work in the same transaction


@app.post("/webhook")
def receive() -> Response:
    try:
        # Over the bytes as they came: JSON that was parsed and written again has another signature.
        event = webhook.verify(request.get_data(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return Response(status=400)
    delivery = request.headers["webhook-id"]
    if delivery not in seen:  # a delivery may arrive more than once, always under the same identifier
        seen.add(delivery)
        print(event["type"], event["data"].get("user", {}).get("id"), flush=True)
    return Response(status=204)


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
