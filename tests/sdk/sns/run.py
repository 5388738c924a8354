"""Judges messages with the notification handler of the official Amazon Pay Python SDK, unchanged.

Standard input: a JSON list of {name, body, pem}, the body in base64. Prints one JSON line a message. Nothing leaves the
machine: the certificate's URL answers with the given pem.
"""

import base64
import io
import json
import signal
import sys

from amazon_pay import ipn_handler
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1

# A fault must not stop the suite permanently.
signal.alarm(120)



def verify(certificate, signature, data, digest):
    """What pyOpenSSL had until version 24. Without it the handler refuses every message."""
    assert digest == "sha1"
    certificate.to_cryptography().public_key().verify(signature, data, PKCS1v15(), SHA1())


ipn_handler.crypto.verify = verify
pem = ""
ipn_handler.request.urlopen = lambda url: io.BytesIO(pem.encode())

for one in json.load(sys.stdin):
    pem = one["pem"]
    body = base64.b64decode(one["body"])
    try:
        # The shop's server hands over the header; the handler compares it with the body.
        headers = {"X-Amz-Sns-Topic-Arn": json.loads(body)["TopicArn"]}
        ipn_handler.IpnHandler(body, headers).authenticate()
        why = None
    except Exception as error:
        why = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps({"name": one["name"], "accepted": why is None, "why": why}))
