// Verifies messages with the official Standard Webhooks package: each by each key, and refused when changed.
const { Webhook } = require("standardwebhooks");

let input = "";
process.stdin.on("data", (chunk) => (input += chunk));
process.stdin.on("end", () => {
  const { keys, messages } = JSON.parse(input);
  let verified = 0;
  let refused = 0;
  for (const { body, headers } of messages) {
    for (const key of keys) {
      new Webhook(key).verify(body, headers);
      verified += 1;
    }
    const changed = { ...headers, "webhook-id": headers["webhook-id"] + "x" };
    const old = { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 600) };
    for (const [tampered, with_headers] of [[body + " ", headers], [body, changed], [body, old]]) {
      try {
        new Webhook(keys[0]).verify(tampered, with_headers);
      } catch (error) {
        refused += 1;
      }
    }
  }
  console.log(`${verified} verified, ${refused} refused`);
});
