"""Receives events of reconciled: python3 receiver.py. It needs Python 3.9 or newer and nothing else."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["EVENTS_SECRET"].removeprefix("whsec_"))
INBOX = os.environ.get("EVENTS_INBOX", "inbox")
LONGEST_BODY = 64 * 1024
TOLERANCE_S = 300
arrived = threading.Event()


def is_genuine(headers, body):
    """Whether the bytes were signed with our key, and not long ago."""
    event, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event.replace("_", "").isalnum() or not sent_at.isdigit():
        return False
    if abs(time.time() - int(sent_at)) > TOLERANCE_S:
        return False
    signed = f"{event}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    # There are several signatures while a key is being changed.
    return any(hmac.compare_digest(expected, given) for given in headers.get("webhook-signature", "").split())


def keep(event, body):
    """Stores an event under its id. One that came before is left as it is."""
    path = os.path.join(INBOX, event + ".json")
    draft = f"{path}.{threading.get_ident()}"
    with open(draft, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    os.unlink(draft)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if length <= LONGEST_BODY else b""
        if not is_genuine(self.headers, body):
            self.send_response(401)
        else:
            keep(self.headers["webhook-id"], body)
            self.send_response(204)
            arrived.set()
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def work(event):
    """Your own code: read the object's state here and update the order. It may take long."""
    print(event["type"], json.dumps(event["data"]), flush=True)


def work_on_all():
    while True:
        for name in sorted(os.listdir(INBOX)):
            path = os.path.join(INBOX, name)
            if name.endswith(".json") and not os.path.exists(path + ".done"):
                with open(path, "rb") as file:
                    work(json.load(file))
                open(path + ".done", "w").close()
        arrived.wait(60)
        arrived.clear()


os.makedirs(INBOX, exist_ok=True)
threading.Thread(target=work_on_all, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Receiver).serve_forever()
