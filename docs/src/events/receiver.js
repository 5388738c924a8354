// Receives events of reconciled: node receiver.js. It needs Node 18 or newer and nothing else.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const KEY = Buffer.from(process.env.EVENTS_SECRET.replace(/^whsec_/, ""), "base64");
const INBOX = process.env.EVENTS_INBOX || "inbox";
const DONE = path.join(INBOX, "done");
const LONGEST_BODY = 64 * 1024;
const TOLERANCE_S = 300;

// Whether the bytes were signed with our key, and not long ago.
function isGenuine(headers, body) {
  const id = headers["webhook-id"] || "";
  const sentAt = headers["webhook-timestamp"] || "";
  if (!/^\w{1,80}$/.test(id) || !/^\d{1,12}$/.test(sentAt)) return false;
  if (Math.abs(Date.now() / 1000 - Number(sentAt)) > TOLERANCE_S) return false;
  const hmac = crypto.createHmac("sha256", KEY).update(`${id}.${sentAt}.`).update(body);
  const expected = Buffer.from("v1," + hmac.digest("base64"));
  // There are several signatures while a key is being changed.
  return (headers["webhook-signature"] || "").split(" ").some((given) => {
    const bytes = Buffer.from(given);
    return bytes.length === expected.length && crypto.timingSafeEqual(bytes, expected);
  });
}

// Stores an event under its id. One that came before is left as it is.
function keep(id, body) {
  const file = path.join(INBOX, `${id}.json`);
  const draft = `${file}.${crypto.randomUUID()}`;
  fs.writeFileSync(draft, body, { flush: true });
  try {
    if (!fs.existsSync(path.join(DONE, `${id}.json`))) fs.linkSync(draft, file);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  } finally {
    fs.unlinkSync(draft);
  }
}

// Your own code: read the object's state here and update the order. It may take long.
function work(event) {
  console.log(event.type, JSON.stringify(event.data));
}

// Prints what goes wrong with an event. It is tried again in the next round, and other objects go on.
function goingOn(file, step) {
  try {
    step();
    return true;
  } catch (error) {
    console.error(file, error);
    return false;
  }
}

// When an event was found, and its number. The times are UTC: without the Z they compare as texts.
function place(event) {
  return [(event.data.found_at || "").replace("Z", ""), event.data.sequence || 0];
}

// The object that an event is about.
function objectOf(event) {
  return JSON.stringify([event.data.account, event.data.kind, event.data.id]);
}

// Works on an event, unless a later one of its object was worked on before.
function workInOrder(file, event) {
  const last = path.join(DONE, crypto.createHash("sha256").update(objectOf(event)).digest("hex") + ".last");
  const [foundAt, sequence] = place(event);
  let isOlder = false;
  if (fs.existsSync(last)) {
    const [lastFoundAt, lastSequence] = JSON.parse(fs.readFileSync(last, "utf8"));
    isOlder = sequence < lastSequence && foundAt <= lastFoundAt;
  }
  if (!isOlder) {
    work(event);
    fs.writeFileSync(`${last}.new`, JSON.stringify([foundAt, sequence]));
    fs.renameSync(`${last}.new`, last);
  }
  fs.renameSync(file, path.join(DONE, path.basename(file)));
}

function workOnAll() {
  const pending = [];
  for (const name of fs.readdirSync(INBOX).sort()) {
    const file = path.join(INBOX, name);
    if (!name.endsWith(".json")) continue;
    goingOn(file, () => {
      const event = JSON.parse(fs.readFileSync(file, "utf8"));
      pending.push({ file, event, place: place(event) });
    });
  }
  pending.sort((one, other) => {
    const [[foundAt, sequence], [otherFoundAt, otherSequence]] = [one.place, other.place];
    return foundAt === otherFoundAt ? sequence - otherSequence : foundAt < otherFoundAt ? -1 : 1;
  });
  // When an event fails, the later ones of its object wait for it.
  const failed = new Set();
  for (const { file, event } of pending) {
    const about = objectOf(event);
    if (!failed.has(about) && !goingOn(file, () => workInOrder(file, event))) failed.add(about);
  }
}

// The status of the answer to a request.
function accept(request, body) {
  if (request.method !== "POST" || !isGenuine(request.headers, body)) return 401;
  try {
    keep(request.headers["webhook-id"], body);
    return 204;
  } catch (error) {
    console.error(error);
    return 500;
  }
}

fs.mkdirSync(DONE, { recursive: true });
workOnAll();
setInterval(workOnAll, 60_000);
const server = http.createServer((request, response) => {
  const parts = [];
  let length = 0;
  if (Number(request.headers["content-length"]) > LONGEST_BODY) {
    response.writeHead(400, { connection: "close" }).end();
    return;
  }
  request.on("data", (part) => {
    length += part.length;
    if (length > LONGEST_BODY) request.destroy();
    else parts.push(part);
  });
  request.on("end", () => {
    const status = accept(request, Buffer.concat(parts));
    // The work begins when the answer has left.
    if (status === 204) response.on("finish", () => setImmediate(workOnAll));
    response.writeHead(status).end();
  });
});
server.listen(Number(process.env.PORT || 8090), "127.0.0.1");
