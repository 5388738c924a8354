<?php
// Receives events of reconciled: put it behind your web server, or try it with php -S 127.0.0.1:8090 receiver.php.
// It needs PHP 8 and nothing else. Run `php receiver.php work` every minute: it works on what has arrived.

const LONGEST_BODY = 64 * 1024;
const TOLERANCE_S = 300;
$inbox = getenv('EVENTS_INBOX') ?: 'inbox';

// Whether the bytes were signed with our key, and not long ago.
function is_genuine(string $key, string $id, string $sent_at, string $signatures, string $body): bool
{
    if (!preg_match('/^\w+$/D', $id) || !preg_match('/^\d+$/D', $sent_at) || strlen($body) > LONGEST_BODY) {
        return false;
    }
    if (abs(time() - (int) $sent_at) > TOLERANCE_S) {
        return false;
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sent_at.$body", $key, true));
    // There are several signatures while a key is being changed.
    foreach (explode(' ', $signatures) as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}

// Stores an event under its id. One that came before is left as it is.
function keep(string $inbox, string $id, string $body): void
{
    $file = "$inbox/$id.json";
    $draft = tempnam($inbox, 'draft');
    if ($draft === false || file_put_contents($draft, $body) !== strlen($body)) {
        throw new RuntimeException('the event cannot be stored');
    }
    if (!@link($draft, $file) && !file_exists($file)) {
        throw new RuntimeException('the event cannot be stored');
    }
    unlink($draft);
}

// Your own code: read the object's state here and update the order. It may take long.
function work(array $event): void
{
    echo $event['type'], ' ', json_encode($event['data']), "\n";
}

if (!is_dir($inbox)) {
    mkdir($inbox, 0700, true);
}
if (PHP_SAPI === 'cli') {
    foreach (glob("$inbox/*.json") as $file) {
        if (!file_exists("$file.done")) {
            work(json_decode(file_get_contents($file), true, 512, JSON_THROW_ON_ERROR));
            touch("$file.done");
        }
    }
    exit(0);
}
$key = base64_decode(substr(getenv('EVENTS_SECRET'), strlen('whsec_')));
$body = file_get_contents('php://input', false, null, 0, LONGEST_BODY + 1);
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$sent_at = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
if (!is_genuine($key, $id, $sent_at, $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '', $body)) {
    http_response_code(401);
    exit;
}
keep($inbox, $id, $body);
http_response_code(204);
