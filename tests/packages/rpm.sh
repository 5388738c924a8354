#!/bin/bash
# The life of the RPM package where no systemd runs: install, init, upgrade from the package before, remove. The root directory
# $1 is a Debian, whose packages RPM does not know: dependencies are not checked here.
set -u
cd "$(dirname "$0")"
. ./lib.sh
root=$1
rpm() { command rpm --root "$root" "$@"; }
inside() { chroot "$root" "$@"; }
state() { inside sha256sum /etc/reconciled/config.toml; }

check "install" has "Next: sudo reconciled init" rpm -i --nodeps before.rpm
check "users and groups" inside getent group reconciled reconciled-reports reconciled-operators
check "folder of the configuration" has "750 root:reconciled" inside stat -c '%a %U:%G' /etc/reconciled
check "folder of the reports" has "2750 reconciled:reconciled-reports" inside stat -c '%a %U:%G' /var/log/reconciled
check "not enabled" not test -e "$root/etc/systemd/system/multi-user.target.wants/reconciled.service"
check "init" has "is written" inside reconciled init --account shop-de --region eu --environment live \
  --key-id LIVE-AEXAMPLEKEYID00000000000 --time-zone Europe/Berlin
check "the configuration is valid" inside reconciled check-config --no-secrets
install -d -o 0 -g 0 "$root/var/lib/reconciled/store"
before=$(state)
check "upgrade" rpm -U --nodeps new.rpm
check "upgrade keeps the configuration" test "$before" = "$(state)"
check "and puts nothing beside it" not test -e "$root/etc/reconciled/config.toml.rpmnew"
check "one package is installed" test "$(rpm -q reconciled | wc -l)" = 1
rpm -e reconciled >removed 2>&1
check "remove" test $? = 0
check "removal names what it leaves" grep -q "leaves /var/lib/reconciled" removed
check "the program is gone" not test -e "$root/usr/bin/reconciled"
check "the store is left" test -e "$root/var/lib/reconciled/store"
check "the configuration is left" test -e "$root/etc/reconciled/config.toml.rpmsave"
echo "the end"
