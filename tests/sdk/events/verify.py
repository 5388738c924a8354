"""Verifies messages with the official Standard Webhooks package: each by each key, and refused when changed."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

given = json.load(sys.stdin)
verified = refused = 0
for message in given["messages"]:
    body, headers = message["body"].encode(), message["headers"]
    for key in given["keys"]:
        assert Webhook(key).verify(body, headers) == json.loads(body)
        verified += 1
    changed = dict(headers, **{"webhook-id": headers["webhook-id"] + "x"})
    old = dict(headers, **{"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)})
    for tampered, with_headers in [(body.replace(b"14.00", b"15.00") + b" ", headers), (body, changed), (body, old)]:
        try:
            Webhook(given["keys"][0]).verify(tampered, with_headers)
        except WebhookVerificationError:
            refused += 1
print(f"{verified} verified, {refused} refused")
