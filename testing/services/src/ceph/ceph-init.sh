# Looks after a cluster's daemons: `bash ceph-init.sh STATE`. It lives as long as its standard input is open, and the daemons
# end with it. Words on standard input: `start mon`, `start osd`, and how one is ended, `TERM osd`, `KILL osd`.
state=$1
declare -A pids
while read -r word name; do
  case $word in
  start)
    id=$([ "$name" = mon ] && echo a || echo 0)
    "ceph-$name" -c "$state/ceph.conf" -i "$id" -f </dev/null >>"$state/log/$name.out" 2>&1 &
    pids[$name]=$!
    echo $! >"$state/run/$name.pid"
    ;;
  TERM | KILL)
    kill -s "$word" "${pids[$name]}" 2>/dev/null || :
    wait "${pids[$name]}" 2>/dev/null || :
    ;;
  esac
  echo "$word $name done"
done
# Nobody is left who wants to know: whoever started this has ended, or has disposed of it.
for pid in "${pids[@]}"; do kill -s KILL "$pid" 2>/dev/null || :; done
wait
rm -rf "$state"
