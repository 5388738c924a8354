<?php
// Receives events of reconciled: put it behind your web server, or try it with php -S 127.0.0.1:8090 receiver.php.
// It needs PHP 8 and nothing else. Run `php receiver.php work` every minute: it works on what has arrived.

const LONGEST_BODY = 64 * 1024;
const TOLERANCE_S = 300;
$inbox = getenv('EVENTS_INBOX') ?: 'inbox';

// Whether the bytes were signed with our key, and not long ago.
function is_genuine(string $key, string $id, string $sent_at, string $signatures, string $body): bool
{
    if (!preg_match('/^\w{1,80}$/D', $id) || !preg_match('/^\d{1,12}$/D', $sent_at)) {
        return false;
    }
    if (strlen($body) > LONGEST_BODY || abs(time() - (int) $sent_at) > TOLERANCE_S) {
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
    $done = "$inbox/done/$id.json";
    if (!file_exists($done) && !@link($draft, $file) && !file_exists($file) && !file_exists($done)) {
        throw new RuntimeException('the event cannot be stored');
    }
    unlink($draft);
}

// Your own code: read the object's state here and update the order. It may take long.
function work(array $event): void
{
    echo $event['type'], ' ', json_encode($event['data']), "\n";
}

// Prints what goes wrong with an event. It is tried again in the next round, and other objects go on.
function going_on(string $file, callable $step): bool
{
    try {
        $step();
        return true;
    } catch (Throwable $error) {
        fwrite(STDERR, "$file: $error\n");
        return false;
    }
}

// When an event was found, and its number. The times are UTC: without the Z they compare as texts.
function place(array $event): array
{
    return [rtrim($event['data']['found_at'] ?? '', 'Z'), $event['data']['sequence'] ?? 0];
}

// The object that an event is about.
function object_of(array $event): string
{
    $data = $event['data'];
    return json_encode([$data['account'] ?? '', $data['kind'] ?? '', $data['id'] ?? '']);
}

// Works on an event, unless a later one of its object was worked on before.
function work_in_order(string $inbox, string $file, array $event): void
{
    $last = "$inbox/done/" . hash('sha256', object_of($event)) . '.last';
    [$found_at, $sequence] = place($event);
    $is_older = false;
    if (file_exists($last)) {
        [$last_found_at, $last_sequence] = json_decode(file_get_contents($last), true, 4, JSON_THROW_ON_ERROR);
        $is_older = $sequence < $last_sequence && strcmp($found_at, $last_found_at) <= 0;
    }
    if (!$is_older) {
        work($event);
        file_put_contents("$last.new", json_encode([$found_at, $sequence]));
        rename("$last.new", $last);
    }
    rename($file, "$inbox/done/" . basename($file));
}

function work_on_all(string $inbox): void
{
    $pending = [];
    foreach (glob("$inbox/*.json") as $file) {
        going_on($file, function () use ($file, &$pending) {
            $event = json_decode(file_get_contents($file), true, 512, JSON_THROW_ON_ERROR);
            $pending[] = ['place' => place($event), 'file' => $file, 'event' => $event];
        });
    }
    usort($pending, function (array $one, array $other): int {
        [[$found_at, $sequence], [$other_found_at, $other_sequence]] = [$one['place'], $other['place']];
        return strcmp($found_at, $other_found_at) ?: $sequence <=> $other_sequence;
    });
    // When an event fails, the later ones of its object wait for it.
    $failed = [];
    foreach ($pending as ['file' => $file, 'event' => $event]) {
        $about = object_of($event);
        if (!isset($failed[$about]) && !going_on($file, fn () => work_in_order($inbox, $file, $event))) {
            $failed[$about] = true;
        }
    }
}

if (!is_dir("$inbox/done")) {
    mkdir("$inbox/done", 0700, true);
}
if (PHP_SAPI === 'cli') {
    // One that takes longer than a minute is not joined by the next.
    $alone = fopen("$inbox/lock", 'c');
    if (flock($alone, LOCK_EX | LOCK_NB)) {
        work_on_all($inbox);
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
