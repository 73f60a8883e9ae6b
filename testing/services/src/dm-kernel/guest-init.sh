#!/bin/busybox sh
# The guest's first process, up to the agent. busybox throughout: to start a program is what takes time here.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
B=/bin/busybox
off() { $B poweroff -f; $B sleep 60; }
$B mount -t proc proc /proc && $B mount -t sysfs sys /sys || off
[ -c /dev/null ] || $B mount -t devtmpfs dev /dev
read -r line < /proc/cmdline
for word in $line; do
  case $word in
    luksmith.control=*) control=${word#*=} ;;
    luksmith.workspace=*) workspace=${word#*=} ;;
    luksmith.systemd) systemd=yes ;;
  esac
done
# What is not loaded here the kernel loads when it is first used.
/sbin/modprobe -aq dm_mod overlay loop

# A root to be thrown away: the tree below, and above it memory.
over() { # LOWER NAME TARGET
  $B mkdir -p "/over/$2/upper" "/over/$2/work" "$3"
  $B mount -t overlay -o "lowerdir=$1,upperdir=/over/$2/upper,workdir=/over/$2/work" overlay "$3" || off
}
$B mount -t tmpfs -o size=90% over /over
over / root /over/new
N=/over/new
for name in proc sys dev; do $B mount -o rbind /$name $N/$name; done
$B mkdir -p $N/dev/pts $N/dev/shm $N/dev/mapper
$B mount -t devpts devpts $N/dev/pts
$B mount -t tmpfs shm $N/dev/shm
$B mount -t tmpfs -o mode=755 run $N/run
$B mount -t tmpfs -o mode=1777 tmp $N/tmp
$B mkdir -p $N/run/lock/lvm $N/run/lvm $N/run/cryptsetup
$B ln -sfn /proc/self/fd $N/dev/fd

# What host and guest share has the same name on both; the workspace only as long as nobody writes.
$B mkdir -p /over/workspace-below "$N$control"
$B mount -t hostfs -o "$workspace" workspace /over/workspace-below || off
over /over/workspace-below workspace "$N$workspace"
$B mount -t hostfs -o "$control" control "$N$control" || off

$B ifconfig lo 127.0.0.1 up
$B hostname dm-kernel
export CONTROL="$control"
[ "$systemd" ] || exec $B chroot $N /guest-agent

# systemd makes namespaces of its own, for which its root is one. What was the root is out of its reach.
cd $N && $B mkdir -p before && $B pivot_root . before || off
exec $B chroot . $B sh -c "
  $B umount -l /before || $B poweroff -f
  $B setsid /guest-agent &
  exec /lib/systemd/systemd --unit=tests.target"
