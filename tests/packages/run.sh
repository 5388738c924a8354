#!/bin/bash
# run.sh BASE WORK STORY: runs WORK/story/STORY.sh in a Debian of its own, in namespaces of its own.
#
# BASE is an installed Debian, which is not changed: what the story writes goes to a layer in WORK. `chroot` runs its story
# with chroot; `rpm` works on the Debian from outside; `boot` installs the package before and boots systemd in
# systemd-nspawn, where a unit runs the story. The story's output is WORK/story/log. Needs root.
set -euo pipefail
base=$1 work=$2 story=$3
group=reconciled-story-$(basename "$work")
if [[ ${RECONCILED_UNSHARED:-} != 1 ]]; then
  code=0
  RECONCILED_UNSHARED=1 unshare --mount-proc --pid --fork --kill-child --propagation private -- "$0" "$@" || code=$?
  # Control groups have no namespace that takes them along.
  findmnt --noheadings --types cgroup2 --output TARGET | while read -r folder; do
    find "$folder" -depth -type d -path "*/$group*" -exec rmdir {} + || true
  done
  exit $code
fi

# Layers cannot lie on every file system (not on another layer), but always in memory.
mount -t tmpfs tmpfs "$work/layer"
mkdir "$work/layer"/{upper,work,root}
root=$work/layer/root
mount -t overlay -o "lowerdir=$base,upperdir=$work/layer/upper,workdir=$work/layer/work" overlay "$root"
mkdir -p "$root/story"
mount --bind "$work/story" "$root/story"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
# No time zone, proxy or configuration of this machine.
clean=(env -i "PATH=$PATH" HOME=/root LC_ALL=C)

case $story in
chroot)
  "${clean[@]}" chroot "$root" /bin/bash /story/chroot.sh >"$work/story/log" 2>&1
  ;;
rpm)
  "${clean[@]}" "$work/story/rpm.sh" "$root" >"$work/story/log" 2>&1
  ;;
boot)
  "${clean[@]}" chroot "$root" dpkg -i /story/before.deb >"$work/story/log" 2>&1
  umount "$root/proc" "$root/dev"
  cp "$work/story/boot.service" "$root/etc/systemd/system/"
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -s ../boot.service "$root/etc/systemd/system/multi-user.target.wants/"
  # systemd-nspawn cleans up under /run only if it lies in memory, and boots with the unified hierarchy only if it sees it.
  mount -t tmpfs tmpfs /run
  if [[ $(stat -fc %T /sys/fs/cgroup) != cgroup2fs ]]; then
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
  fi
  mkdir -p "/sys/fs/cgroup/$group"
  echo $$ >"/sys/fs/cgroup/$group/cgroup.procs"
  "${clean[@]}" systemd-nspawn --quiet --settings=no --directory="$root" --register=no --keep-unit --boot --private-network --system-call-filter=bpf --capability=CAP_BPF \
    --console=pipe --link-journal=no --resolv-conf=off --timezone=off --bind="$work/story:/story" \
    </dev/null >"$work/story/console" 2>&1
  ;;
esac
