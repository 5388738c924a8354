// Receives events of reconciled: node receiver.js. It needs Node 18 or newer and nothing else.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const KEY = Buffer.from(process.env.EVENTS_SECRET.replace(/^whsec_/, ""), "base64");
const INBOX = process.env.EVENTS_INBOX || "inbox";
const LONGEST_BODY = 64 * 1024;
const TOLERANCE_S = 300;

// Whether the bytes were signed with our key, and not long ago.
function isGenuine(headers, body) {
  const id = headers["webhook-id"] || "";
  const sentAt = headers["webhook-timestamp"] || "";
  if (!/^\w+$/.test(id) || !/^\d+$/.test(sentAt)) return false;
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
    fs.linkSync(draft, file);
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

function workOnAll() {
  for (const name of fs.readdirSync(INBOX).sort()) {
    const file = path.join(INBOX, name);
    if (name.endsWith(".json") && !fs.existsSync(`${file}.done`)) {
      work(JSON.parse(fs.readFileSync(file, "utf8")));
      fs.writeFileSync(`${file}.done`, "");
    }
  }
}

fs.mkdirSync(INBOX, { recursive: true });
workOnAll();
const server = http.createServer((request, response) => {
  const parts = [];
  let length = 0;
  request.on("data", (part) => {
    length += part.length;
    if (length > LONGEST_BODY) request.destroy();
    else parts.push(part);
  });
  request.on("end", () => {
    const body = Buffer.concat(parts);
    if (request.method !== "POST" || !isGenuine(request.headers, body)) {
      response.writeHead(401).end();
      return;
    }
    keep(request.headers["webhook-id"], body);
    // The work begins when the answer has left.
    response.on("finish", () => setImmediate(workOnAll));
    response.writeHead(204).end();
  });
});
server.listen(Number(process.env.PORT || 8090), "127.0.0.1");
