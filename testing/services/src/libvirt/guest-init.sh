#!/bin/busybox sh
# The first process of the tiny guest. In the initrd, with `root=/dev/vdX` on the kernel's command line, it goes on to the
# copy of itself that is on that disk. Then it does what comes over the serial console: `ID COMMAND`, answered with the
# command's output and `ID=STATUS`.
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc proc /proc 2>/dev/null
/bin/busybox mount -t sysfs sys /sys 2>/dev/null
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
for module in /modules/*.ko; do [ -e "$module" ] && /bin/busybox insmod "$module"; done
root=$(/bin/busybox sed -n 's/.*root=\([^ ]*\).*/\1/p' /proc/cmdline)
if [ -n "$root" ] && [ -d /modules ]; then
  /bin/busybox mkdir -p /newroot
  if /bin/busybox mount -t ext4 "$root" /newroot; then
    /bin/busybox umount /proc /sys /dev
    exec /bin/busybox switch_root /newroot /init
  fi
  echo "GUEST-PANIC no root on $root"
fi
/bin/busybox mkdir -p /tmp/bin
/bin/busybox mount -t tmpfs tmp /tmp && /bin/busybox mkdir -p /tmp/bin
/bin/busybox --install -s /tmp/bin
export PATH=/tmp/bin
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo -onlcr
echo "GUEST-READY boot=$(cat /proc/sys/kernel/random/boot_id) root=${root:-initrd}"
while read -r id command; do
  sh -c "$command" </dev/null
  echo "$id=$?"
done
poweroff -f
