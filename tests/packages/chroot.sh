#!/bin/bash
# The life of the Debian package where no systemd runs, as in the build of an image: install, init, upgrade from the
# package before, remove, purge. Runs in a Debian of its own, in which /story holds before.deb, new.deb and these files.
set -u
cd /story
. ./lib.sh
export DEBIAN_FRONTEND=noninteractive
apt() { dpkg "$@" </dev/null; }
as_service() { setpriv --reuid reconciled --regid reconciled --init-groups reconciled "$@"; }
state() { (cd / && sha256sum etc/reconciled/config.toml && cat var/lib/reconciled/store/journal/* | sha256sum); }
mode() { stat -c '%a %U:%G' "$1"; }

check "install" has "Next: sudo reconciled init" apt -i before.deb
check "users and groups" getent group reconciled reconciled-reports reconciled-operators
check "user has no shell" has "/usr/sbin/nologin" getent passwd reconciled
check "folder of the configuration" has "750 root:reconciled" mode /etc/reconciled
check "folder of the reports" has "2750 reconciled:reconciled-reports" mode /var/log/reconciled
check "folder of the socket" has "2755 reconciled:reconciled-operators" mode /run/reconciled
check "not enabled" not test -e /etc/systemd/system/multi-user.target.wants/reconciled.service
check "dpkg knows the configuration" has "/etc/reconciled/config.toml" dpkg -S /etc/reconciled/config.toml
check "not configured" has "78" sh -c 'reconciled run; echo $?'
check "manual page" test -e /usr/share/man/man8/reconciled.service.8.gz

check "init" has "is written" reconciled init --account shop-de --region eu --environment live \
  --key-id LIVE-AEXAMPLEKEYID00000000000 --time-zone Europe/Berlin
check "mode of the configuration" has "640 root:reconciled" mode /etc/reconciled/config.toml
check "the configuration is valid" reconciled check-config --no-secrets
install -d -m 0700 /etc/credstore
install -m 0600 shop-de.private-key.pem /etc/credstore/shop-de-private-key
echo http://127.0.0.1:9/services/T0/B0/x | install -m 0600 /dev/stdin /etc/credstore/slack-url
mkdir -p /etc/systemd/system/reconciled.service.d
printf '[Service]\nLoadCredential=shop-de-private-key\n' >/etc/systemd/system/reconciled.service.d/credentials.conf
check "secrets are found" reconciled check-config
install -d -o reconciled -g reconciled -m 0700 /var/lib/reconciled
install -d -o reconciled -g reconciled -m 0500 /tmp/secrets
install -o reconciled -g reconciled -m 0400 shop-de.private-key.pem /tmp/secrets/shop-de-private-key
install -o reconciled -g reconciled -m 0400 /etc/credstore/slack-url /tmp/secrets/slack-url
export CREDENTIALS_DIRECTORY=/tmp/secrets
check "enrol" has "is watched from now on" as_service enrol --account shop-de --id P02-1234567-1234567-C123456

before=$(state)
check "upgrade asks nothing" has "Setting up reconciled" apt -i new.deb
check "upgrade keeps store and configuration" test "$before" = "$(state)"
check "the object is still watched" has "P02-1234567-1234567-C123456" as_service list
check "remove" apt -r reconciled
check "removal keeps store and configuration" test "$before" = "$(state)"
check "the program is gone" not test -e /usr/bin/reconciled
check "install again" apt -i new.deb
check "the configuration is the same" test "$before" = "$(state)"

echo "an accountant's" >/var/log/reconciled/kept
apt -P reconciled >/tmp/purge 2>&1
check "purge asks nothing" test $? = 0
check "purge names the store" grep -q "sudo rm -r.* /var/lib/reconciled" /tmp/purge
check "purge names the reports" grep -q "sudo rm -r.* /var/log/reconciled" /tmp/purge
check "purge names the secret" grep -q "sudo rm -r.* /etc/credstore/shop-de-private-key" /tmp/purge
check "purge names the drop-in" grep -q "sudo rm -r.* /etc/systemd/system/reconciled.service.d" /tmp/purge
check "purge names the users" grep -q "userdel reconciled" /tmp/purge
check "purge leaves the store" test -e /var/lib/reconciled/store/journal
check "purge leaves the reports" test -e /var/log/reconciled/kept
check "purge removes the configuration" not test -e /etc/reconciled
sh -c "$(grep '^  sudo' /tmp/purge | sed 's/sudo //g')"
check "what purge says removes the rest" test "$(find / -xdev -name '*reconciled*' -not -path '/story/*' | wc -l)" = 0
check "nobody is left" not getent passwd reconciled
echo "the end"
