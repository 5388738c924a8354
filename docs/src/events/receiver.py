"""Receives events of reconciled: python3 receiver.py. It needs Python 3.9 or newer and nothing else."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["EVENTS_SECRET"].removeprefix("whsec_"))
INBOX = os.environ.get("EVENTS_INBOX", "inbox")
DONE = os.path.join(INBOX, "done")
LONGEST_BODY = 64 * 1024
TOLERANCE_S = 300
arrived = threading.Event()


def is_genuine(headers, body):
    """Whether the bytes were signed with our key, and not long ago."""
    event, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not re.fullmatch("[A-Za-z0-9_]{1,80}", event) or not re.fullmatch("[0-9]{1,12}", sent_at):
        return False
    if abs(time.time() - int(sent_at)) > TOLERANCE_S:
        return False
    signed = f"{event}.{sent_at}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    # There are several signatures while a key is being changed.
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, one) for one in given)


def keep(event, body):
    """Stores an event under its id. One that came before is left as it is."""
    path = os.path.join(INBOX, event + ".json")
    draft = f"{path}.{threading.get_ident()}"
    with open(draft, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        if not os.path.exists(os.path.join(DONE, event + ".json")):
            os.link(draft, path)
    os.unlink(draft)


class Receiver(BaseHTTPRequestHandler):
    timeout = 30

    def do_POST(self):
        status = self.status()
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        if status == 204:
            arrived.set()

    def status(self):
        length = self.headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > LONGEST_BODY:
            return 400
        body = self.rfile.read(int(length))
        if not is_genuine(self.headers, body):
            return 401
        keep(self.headers["webhook-id"], body)
        return 204

    def log_message(self, *_):
        pass


def work(event):
    """Your own code: read the object's state here and update the order. It may take long."""
    print(event["type"], json.dumps(event["data"]), flush=True)


@contextlib.contextmanager
def going_on(path):
    """Prints what goes wrong with an event. It is tried again in the next round, and other objects go on."""
    try:
        yield
    except Exception:
        print(path, traceback.format_exc(), file=sys.stderr, flush=True)


def place(event):
    """When an event was found, and its number. The times are UTC: without the Z they compare as texts."""
    return event["data"].get("found_at", "").rstrip("Z"), int(event["data"].get("sequence", 0))


def object_of(event):
    """The object that an event is about."""
    return "/".join(str(event["data"].get(key)) for key in ("account", "kind", "id"))


def work_in_order(path, event):
    """Works on an event, unless a later one of its object was worked on before."""
    last = os.path.join(DONE, hashlib.sha256(object_of(event).encode()).hexdigest() + ".last")
    found_at, sequence = place(event)
    is_older = False
    if os.path.exists(last):
        with open(last) as file:
            last_found_at, last_sequence = json.load(file)
        is_older = sequence < last_sequence and found_at <= last_found_at
    if not is_older:
        work(event)
        with open(last + ".new", "w") as file:
            json.dump([found_at, sequence], file)
        os.replace(last + ".new", last)
    os.replace(path, os.path.join(DONE, os.path.basename(path)))


def work_on_all():
    pending = []
    for name in sorted(os.listdir(INBOX)):
        path = os.path.join(INBOX, name)
        if name.endswith(".json"):
            with going_on(path), open(path, "rb") as file:
                event = json.load(file)
                pending.append((place(event), path, event))
    # When an event fails, the later ones of its object wait for it.
    failed = set()
    for _, path, event in sorted(pending, key=lambda one: one[:2]):
        about = object_of(event)
        if about not in failed:
            failed.add(about)
            with going_on(path):
                work_in_order(path, event)
                failed.remove(about)


def keep_working():
    while True:
        work_on_all()
        arrived.wait(60)
        arrived.clear()


os.makedirs(DONE, exist_ok=True)
threading.Thread(target=keep_working, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8090"))), Receiver).serve_forever()
