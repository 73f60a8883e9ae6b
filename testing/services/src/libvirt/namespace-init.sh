# The first process of a libvirtd's own mount and process namespaces: `bash namespace-init.sh STATE CACHE`.
# It lives as long as its standard input is open, and everything in the namespaces ends with it. It is bash, because a
# first process must reap orphans, which dash does not do while it reads: libvirtd would wait for dead QEMUs for ever.
set -e
state=$1 cache=$2
# libvirt's paths are compiled in.
mount --bind "$state/etc" /etc/libvirt
mount --bind "$state/lib" /var/lib/libvirt
mount --bind "$state/run" /run/libvirt
mount --bind "$state/log" /var/log/libvirt
mount --bind "$cache" /var/cache/libvirt
# libvirt looks the account libvirt-qemu up before it reads which one to use. Again before each start: where a package is
# installed meanwhile, its new account comes by a rename onto these names, and that takes the mounts away.
accounts() {
  for name in passwd group; do
    grep -q ^libvirt-qemu: "/etc/$name" || mount --bind "$state/$name" "/etc/$name"
  done
}
pid=
while read -r word; do
  case $word in
  start)
    accounts
    libvirtd -f "$state/libvirtd.conf" -p "$state/run/libvirtd.pid" </dev/null >>"$state/log/stdio.log" 2>&1 &
    pid=$!
    ;;
  TERM | KILL | STOP | CONT)
    kill -s "$word" "$pid" 2>/dev/null || :
    case $word in TERM | KILL) wait "$pid" 2>/dev/null || : ;; esac
    ;;
  esac
  echo "$word done"
done
# Nobody is left who wants to know: the process that started this one has ended, or has disposed of it.
kill -s KILL -1 2>/dev/null || :
rm -rf "$state"
