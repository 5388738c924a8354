#!/bin/bash
# The service under a real systemd. Runs as a unit of a booted Debian in which the package before is installed; /story holds
# new.deb, a scenario and these files. Shortens two times of the unit (RestartSec, WatchdogSec), and nothing else.
set -u
cd /story
. ./lib.sh
export DEBIAN_FRONTEND=noninteractive
unit=reconciled
dropin=/etc/systemd/system/$unit.service.d
config=/etc/reconciled/config.toml
evidence() {
  systemctl status --no-pager $unit
  journalctl --no-pager -n 60 -u $unit
}
property() { systemctl show --value -p "$1" $unit; }
is() { [[ $(property "$1") == "$2" ]] || { echo "$1 is $(property "$1")"; return 1; }; }
pid() { property MainPID; }
is_other() { is ActiveState active && [[ $(pid) != "$1" && $(pid) != 0 ]]; }
journal() { journalctl --no-pager -o cat -u $unit; }
in_journal() { journal | grep -qF "$1"; }
reached() { exec 3<>"/dev/tcp/$1" && exec 3>&-; } 2>/dev/null

# What the service meets: a pretend Amazon Pay, and a cloud's metadata service, which must not be reached.
ip link set lo up
ip address add 169.254.169.254/32 dev lo
reconciled simulate --scenario scenario.toml --keys keys --listen 127.0.0.1:8080 >simulator.log &
(cd /tmp && exec reconciled simulate --listen 169.254.169.254:80 >/dev/null) &
check "the pretend Amazon Pay answers" within 20 reached 127.0.0.1/8080
check "the metadata service answers outside the sandbox" within 20 reached 169.254.169.254/80
id=$(sed -n 's/^# to enrol: .*--id //p' simulator.log | head -1)

# The first hour.
reconciled init --account shop-de --region eu --environment live --key-id LIVE-AEXAMPLEKEYID00000000000 \
  --time-zone Europe/Berlin >next-steps
sed -i 's|^\[\[alert\]\]|endpoint = "http://127.0.0.1:8080"\n\n&|' $config
install -m 0600 keys/shop-de.private-key.pem /etc/credstore/shop-de-private-key
echo http://127.0.0.1:8080/services/T0/B0/x | install -m 0600 /dev/stdin /etc/credstore/slack-url
# As `init` prints it.
sh -c "$(sed -n '/reconciled.service.d/,/^END/p' next-steps | sed 's/^sudo //')"
check "the drop-in is as init says" grep -q LoadCredential=slack-url $dropin/credentials.conf
printf '[Service]\nRestartSec=2s\nWatchdogSec=10s\nExecStartPost=-!/bin/bash /story/probe.sh\n' >$dropin/test.conf
systemctl daemon-reload
check "the configuration is valid" reconciled check-config

# Start, with secrets by LoadCredential=, as soon as the daemon says that it is ready.
check "enable and start" systemctl enable --now $unit
check "active" is ActiveState active
check "ready was said before the start ended" in_journal "ready"
check "credentials are there for the service alone" has "Permission denied" \
  setpriv --reuid nobody --clear-groups cat /run/credentials/$unit.service/slack-url
check "status line" has "open" property StatusText
check "status" has "OK" reconciled status
check "a test message reaches the chat" has "accepted it" reconciled alerts test
check "enrol" has "is watched from now on" reconciled enrol --account shop-de --kind charge --id "$id"
check "polled" within 30 has "AuthorizationInitiated" reconciled show "$id"

# The sandbox: what a process of the service could do, as root even, and what the daemon itself has.

check "the sandbox was probed" within 10 in_journal "the probe ends"
check "the sandbox holds" not has "BREACH" journal
check "no capabilities" grep -q "CapEff:.0000000000000000" "/proc/$(pid)/status"
check "no new privileges" grep -q "NoNewPrivs:.1" "/proc/$(pid)/status"
check "system calls are filtered" grep -q "Seccomp:.2" "/proc/$(pid)/status"
check "the root is read-only for the daemon" has " ro," awk '$5 == "/"' "/proc/$(pid)/mountinfo"
check "runs as its own user" test "$(stat -c %U "/proc/$(pid)")" = reconciled
cp $config good.toml
printf '\n[[alert]]\nname = "metadata"\nkind = "webhook"\nurl = "credential:metadata-url"\n' >>$config
echo https://169.254.169.254/hooks/json | install -m 0600 /dev/stdin /etc/credstore/metadata-url
check "and the configuration refuses link-local addresses" has "link-local addresses are refused" reconciled check-config
cat good.toml >$config

# The journal.
check "journal is readable" in_journal "ready"
check "journal has priorities" has '"PRIORITY":"6"' journalctl -o json -u $unit
check "journal has no escapes" not grep -q $'\e' <(journal)

# Reload.
before=$(pid)
check "reload" systemctl reload $unit
check "reload is written" within 10 in_journal "configuration reloaded"
echo 'nonsense = 1' >>$config
systemctl reload $unit
check "a bad configuration is not taken" within 10 in_journal "configuration not reloaded"
check "still the same process" test "$(pid)" = "$before"

# An upgrade does not exchange a daemon that works for one that would not start.
check "upgrade with a bad configuration says so" has "so the old one still runs" dpkg -i new.deb
check "and leaves the daemon alone" test "$(pid)" = "$before"
cat good.toml >$config
check "upgrade restarts the service" has "Setting up" dpkg -i new.deb
check "with another process" is_other "$before"
check "which still watches the object" has "$id" reconciled list

# Killed.
before=$(pid)
kill -9 "$before"
check "restarted after kill -9" within 30 is_other "$before"
check "nothing is lost" has "$id" reconciled list

# Stopped: the watchdog sees it.
before=$(pid)
kill -STOP "$before"
check "the watchdog ends a stopped process and starts another" within 60 is_other "$before"
check "systemd names the watchdog" has "Watchdog timeout" journalctl --no-pager -u $unit

# A bad configuration at the start: 78, and no restart.
echo 'nonsense = 1' >>$config
systemctl restart $unit
check "a bad configuration fails the start" is ActiveState failed
check "with the code 78" is ExecMainStatus 78
restarts=$(property NRestarts)
sleep 5 # more than RestartSec
check "and is not tried again" is NRestarts "$restarts"
check "it stays failed" is ActiveState failed
cat good.toml >$config
check "corrected, it starts" systemctl start $unit

# A full disk.
systemctl stop $unit
cp -a /var/lib/reconciled /var/saved
mount -t tmpfs -o size=60m,mode=0700,uid="$(id -u $unit)",gid="$(id -g $unit)" tmpfs /var/lib/reconciled
cp -a /var/saved/. /var/lib/reconciled/
systemctl start $unit
check "a full disk fails the start" within 30 in_journal "free up space first"
check "and is tried again" within 20 has "Scheduled restart job" journalctl --no-pager -u $unit
mount -o remount,size=300m /var/lib/reconciled
check "until there is space" within 30 is ActiveState active
check "with the object" has "$id" reconciled list
# Another program fills the disk while the daemon works.
before=$(pid)
fallocate --length "$(($(stat -f -c '%a * %S' /var/lib/reconciled)))" /var/lib/reconciled/filler
{ echo id,account,kind && seq -f 'P02-1234567-1234567-C%06.0f,shop-de,charge' 100000 199999; } >many.csv
check "what cannot be stored is refused" not reconciled enrol many.csv
check "the daemon ends, because it can guarantee nothing" within 60 in_journal "the store failed"
rm /var/lib/reconciled/filler
check "and starts when there is space" within 60 is_other "$before"
check "with all that was acknowledged" reconciled store check
systemctl stop $unit
umount /var/lib/reconciled

# The time is set late.
printf '[Unit]\nDefaultDependencies=no\nBefore=time-sync.target\nWants=time-sync.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "until test -e /run/time-is-set; do sleep 0.1; done"\n' \
  >/etc/systemd/system/late-time.service
systemctl daemon-reload
systemctl stop time-sync.target
systemctl start --no-block late-time.service
systemctl start --no-block $unit
check "it waits for the time" has "waiting" systemctl list-jobs $unit.service
check "and does not run before" is ActiveState inactive
touch /run/time-is-set
check "it starts when the time is set" within 30 is ActiveState active

# Stop, remove, purge.
check "a stop is clean" systemctl stop $unit
check "result of the stop" is Result success
systemctl start $unit
before=$(pid)
check "remove" dpkg -r reconciled
check "no process is left" not test -e "/proc/$before"
check "purge" has "/var/lib/reconciled" dpkg -P reconciled
check "the store is left" test -e /var/lib/reconciled/store/journal
check "no unit is left" not systemctl cat $unit
echo "the end"
