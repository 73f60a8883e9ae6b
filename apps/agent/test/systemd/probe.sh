#!/bin/sh
# What a program of the unit can do: one word a line for each thing that it did. Outside of the unit it can do it all.
B=/bin/busybox
can() { # WORD COMMAND...
  word=$1
  shift
  if "$@" >/dev/null 2>&1; then echo "$word"; fi
}
for path in /usr /etc /var/lib /root /run /opt /run/lock; do
  can "write $path" $B touch "$path/luksmith-probe"
done
for path in /var/lib/nova/instances /var/lib/luksmith /run/luksmith /tmp /dev/shm; do
  can "write $path" $B touch "$path/luksmith-probe" && $B rm -f "$path/luksmith-probe"
done
can "see the host's /tmp" [ -e /tmp/of-the-host ]
can "see /root" [ -e /root/of-root ]
can "see a disk" [ -b /dev/ubdb ]
can "read a disk by a node of its own" $B dd if=/var/lib/nova/instances/node of=/dev/null bs=512 count=1
can "make a node" $B mknod /run/luksmith/probe-node b 98 16
can "make a namespace" unshare -n $B true
can "mount" $B mount -t tmpfs none /var/lib/nova/instances/probe
can "name the host" $B hostname dm-kernel
can "set the clock" date -s "$(date '+%Y-%m-%d %H:%M:%S')"
can "set a kernel parameter" /bin/sh -c 'echo 1024 > /proc/sys/kernel/msgmni'
can "load a module" /sbin/modprobe -q dummy
can "read the kernel's log" $B dmesg
can "make a program privileged" $B chmod u+s /var/lib/nova/instances/program
can "be a realtime process" chrt -f 1 $B true
can "be of another personality" setarch --addr-no-randomize true
can "talk to the kernel by netlink" $B ip link show
can "open a raw socket" $B ping -c 1 -W 1 127.0.0.1
can "change a cgroup" $B mkdir /sys/fs/cgroup/probe
can "be another user" setpriv --reuid=1000 $B true
