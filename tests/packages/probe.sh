#!/bin/bash
# Runs in the sandbox of the service, as root (but without its capabilities), and tries what must not work. Each success is
# a BREACH.
exec 2>&1
for path in /breach /etc/breach /usr/breach /opt/breach /srv/breach /var/breach /var/lib/breach /var/log/breach /run/breach /run/lock/breach /dev/shm/breach \
  /etc/reconciled/breach /etc/credstore/breach /root/breach /home/breach /boot/breach /story/breach; do
  (echo x >"$path") && echo "BREACH: wrote $path"
done
(echo 1 >/proc/sys/kernel/sysrq) && echo "BREACH: wrote /proc/sys"
(echo x >/sys/fs/cgroup/cgroup.procs) && echo "BREACH: wrote /sys"
ls /root/.bashrc && echo "BREACH: read /root"
timeout 3 bash -c "exec 3<>/dev/tcp/169.254.169.254/80" && echo "BREACH: reached a link-local address"
(exec 3<>/dev/tcp/127.0.0.1/8080) || echo "BREACH: the probe cannot reach anything, so it proves nothing"
unshare --user true && echo "BREACH: made a namespace"
mount -t tmpfs tmpfs /mnt && echo "BREACH: mounted"
echo x >/tmp/private && test -e /tmp/private && echo "wrote its own /tmp"
echo "the probe ends"
