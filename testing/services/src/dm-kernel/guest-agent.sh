#!/bin/busybox sh
# Runs what the host asks for. A request is a directory in $CONTROL; its name comes over the one terminal, and its
# exit code goes back there. When nobody holds the terminal's other end any more, the guest ends.
B=/bin/busybox
exec 3</dev/tty1 4>/dev/tty1
$B stty -F /dev/tty1 raw -echo
# No udevd: the commands must neither wait for it nor leave device nodes to it.
export DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1

carry_out() {
  at=$CONTROL/$1
  $B setsid $B sh "$at/command" <"$at/in" >"$at/out" 2>"$at/err" 3<&- 4>&-
  echo "$1 $?" >&4
}

echo ready >&4
while read -r word name <&3; do
  case $word in
    run) carry_out "$name" & ;;
    end) [ -e "$CONTROL/$name/pid" ] && read -r pid < "$CONTROL/$name/pid" && kill -9 -- "-$pid" ;;
    off) break ;;
  esac
done
$B poweroff -f
