#!/bin/bash
# image.sh LAYER.tar KEY.pem: runs the image as an engine would with `--read-only --user 65532`: the root directory is
# read-only, the volumes are in memory. In a mount namespace of its own; needs root.
set -u
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
root=$work/root
mkdir "$root" "$work/settings"
tar --extract --numeric-owner --same-permissions --file="$1" --directory="$root"
in_image() {
  chroot --userspec=65532:65532 --groups=65532 "$root" /usr/bin/reconciled --config /tmp/settings/config.toml "$@"
}

check "settings" "$root/usr/bin/reconciled" init --config "$work/settings/config.toml" --credentials "$work/settings" \
  --account shop-de --region eu --environment live --key-id LIVE-AEXAMPLEKEYID00000000000 --time-zone Europe/Berlin
cp "$2" "$work/settings/shop-de-private-key"
echo http://127.0.0.1:9/services/T0/B0/x >"$work/settings/slack-url"
sed -i 's|^\[\[alert\]\]|endpoint = "http://127.0.0.1:9"\n\n&|' "$work/settings/config.toml"
chown -R 65532:65532 "$work/settings"
chmod 0400 "$work"/settings/*

mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$root/var/lib/reconciled"
mount -t tmpfs -o uid=65532,gid=65532 tmpfs "$root/var/log/reconciled"
mount -t tmpfs -o uid=65532,gid=65532 tmpfs "$root/run/reconciled"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/tmp/settings"
mount --bind "$work/settings" "$root/tmp/settings"
export CREDENTIALS_DIRECTORY=/tmp/settings

check "version" has "reconciled " in_image --version
check "nothing else can be written" has "Read-only file system" in_image man --dir /etc/man
check "the configuration is valid" in_image check-config
chroot --userspec=65532:65532 --groups=65532 "$root" /usr/bin/reconciled --config /tmp/settings/config.toml run \
  >"$work/log" 2>&1 &
daemon=$!
evidence() { cat "$work/log"; }
check "the daemon runs" within 60 has "running as pid" in_image status
check "as a plain user" has "65532" stat -c %u "/proc/$daemon"
check "it enrols" has "is watched from now on" in_image enrol --account shop-de --id P02-1234567-1234567-C123456
kill -TERM "$daemon"
wait "$daemon"
check "it stops properly" test $? = 0
check "the store is in its volume" test -d "$root/var/lib/reconciled/store/journal"
echo "the end"
