# SPDX-License-Identifier: MIT
"""What :mod:`.pressure` runs on a node, as POSIX shell.

Arguments of all: bytes or workers, "beyond" or "", where the folder of the fault lies, where its timer lies, id.
"""

from __future__ import annotations

from typing import Final

#: How ``stat`` of a process is read past its name, which may hold anything: the first field is then its state.
_ALIVE: Final = """stat_of() { sed 's/.*) //' "/proc/$1/stat" 2> /dev/null; }
alive() {
  pid=$1 start=$2
  set -- $(stat_of "$pid")
  [ "${1:-Z}" != Z ] && [ "${20:-}" = "$start" ]
}
"""
#: Ends a worker that is not wanted: its folder is gone, or the timer, or that should have fired some time ago.
_WANTED: Final = """wanted() {
  [ -e "$own/pids" ] && [ ! -e "$own/over" ] || return 1
  { read -r until < "$dead/deadline" && read -r now rest < /proc/uptime; } 2> /dev/null || return 1
  [ "${now%.*}" -le $((until + 15)) ]
}
record() {
  set -- $(sed 's/.*) //' "/proc/$$/stat")
  [ -e "$own/pids" ] && echo "$$ ${20}" >> "$own/pids" && wanted
}
"""
MEMORY_NEEDS: Final = """for tool in setsid dd sed; do
  command -v $tool > /dev/null || { echo "$tool is not installed there" >&2; exit 1; }
done
"""
CPU_NEEDS: Final = """for tool in setsid sed nproc; do
  command -v $tool > /dev/null || { echo "$tool is not installed there" >&2; exit 1; }
done
"""
#: All of it, and what can be taken without the kernel killing anybody, in bytes; a container's own limit counts.
FREE: Final = """sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p; s/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo
for pair in memory.max:memory.current memory/memory.limit_in_bytes:memory/memory.usage_in_bytes; do
  { read -r most < "/sys/fs/cgroup/${pair%:*}" && read -r used < "/sys/fs/cgroup/${pair#*:}"; } 2> /dev/null || continue
  case "$most" in *[!0-9]* | ????????????????*) continue ;; esac
  echo "$(((most - used) / 1024))"
done
"""
#: Held: dd takes its block, fills it, and cannot write it to a pipe that nobody reads.
MEMORY_STRIKE: Final = (
    """set -eu
own=$3/harehearse_$5
dead=$4/$5
umask 077
mkdir "$own" 2> /dev/null || [ -d "$own" ]
[ ! -e "$own/pids" ] || { echo "it is held already"; exit 0; }
cat > "$own/hold.sh" <<'HOLD'
own=$1 dead=$2
"""
    + _WANTED
    + """record || exit 0
[ "$4" = beyond ] || echo 1000 > /proc/$$/oom_score_adj
exec dd if=/dev/zero bs="$3" count=1
HOLD
cat > "$own/keep.sh" <<'KEEP'
own=$1 dead=$2
"""
    + _WANTED
    + """record || exit 0
while wanted; do sleep 1; done
KEEP
: > "$own/pids"
left=$1
while [ "$left" -gt 0 ]; do
  piece=$left
  [ "$piece" -le 1073741824 ] || piece=1073741824
  left=$((left - piece))
  setsid sh -c 'sh "$1/hold.sh" "$@" 2> /dev/null | sh "$1/keep.sh" "$@"' "harehearse_$5" "$own" "$dead" "$piece" "$2" \\
    < /dev/null > /dev/null 2>&1 &
done
"""
)
CPU_STRIKE: Final = (
    """set -eu
own=$3/harehearse_$5
dead=$4/$5
umask 077
mkdir "$own" 2> /dev/null || [ -d "$own" ]
[ ! -e "$own/pids" ] || { echo "they run already"; exit 0; }
cat > "$own/turn.sh" <<'TURN'
own=$1 dead=$2
"""
    + _WANTED
    + """record || exit 0
while wanted; do
  i=0
  while [ $i -lt 20000 ]; do i=$((i + 1)); done
done
TURN
: > "$own/pids"
count=$1
[ "$count" != 0 ] || count=$(nproc)
echo "$count" > "$own/count"
i=0
while [ $i -lt "$count" ]; do
  setsid sh "$own/turn.sh" "$own" "$dead" < /dev/null > /dev/null 2>&1 &
  i=$((i + 1))
done
# They write themselves down before they turn; one that does not is found by nobody.
try=0
while [ "$(wc -l < "$own/pids")" -lt "$count" ]; do
  [ -e "$own/pids" ] && [ $try -lt 50 ] || { echo "only $(wc -l < "$own/pids") of $count processes were started" >&2; exit 1; }
  sleep 0.1
  try=$((try + 1))
done
echo "$count processes that turn in circles"
"""
)
_HELD: Final = """held() {
  sum=0 many=0
  while read -r one begun; do
    alive "$one" "$begun" || continue
    rss=$(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p; s/^VmSwap:[^0-9]*\\([0-9]*\\) kB/\\1/p' "/proc/$one/status" 2> /dev/null)
    for kib in $rss; do sum=$((sum + kib)); done
    many=$((many + 1))
  done < "$own/pids"
  [ "$sum" -ge $(($1 / 1024 / 20 * 19)) ]
}
"""
#: Told once it is full; how full it is says the proof of the effect.
MEMORY_FULL: Final = (
    _ALIVE
    + _HELD
    + """own=$3/harehearse_$5
[ -e "$own/pids" ] || { echo "$own is gone" >&2; exit 1; }
try=0
while [ -e "$own/pids" ] && ! held "$1" && [ $try -lt 200 ]; do sleep 0.2; try=$((try + 1)); done
echo "$((sum / 1024)) MiB are held"
sed -n 's/^some avg10=\\([0-9.]*\\).*/memory pressure there: \\1 % of the time/p' /proc/pressure/memory 2> /dev/null || :
"""
)
MEMORY_EFFECT: Final = (
    _ALIVE
    + _HELD
    + """own=$3/harehearse_$5
[ -e "$own/pids" ] || { echo "nothing of it runs"; exit 1; }
try=0
while ! held "$1"; do
  [ $try -lt 25 ] || { echo "only $((sum / 1024)) MiB of $(($1 / 1048576)) MiB are held"; exit 1; }
  sleep 0.2
  try=$((try + 1))
done
"""
)
CPU_EFFECT: Final = (
    _ALIVE
    + """own=$3/harehearse_$5
[ -e "$own/count" ] && [ -e "$own/pids" ] || { echo "nothing of it runs"; exit 1; }
read -r count < "$own/count"
used() {
  sum=0 many=0
  while read -r one begun; do
    alive "$one" "$begun" || continue
    set -- $(stat_of "$one")
    sum=$((sum + ${12:-0} + ${13:-0})) many=$((many + 1))
  done < "$own/pids"
}
used
before=$sum
try=0
while [ $try -lt 40 ]; do
  sleep 0.25
  used
  [ "$many" != "$count" ] || [ $((sum - before)) -lt $((count * 10)) ] || exit 0
  try=$((try + 1))
done
echo "$many of $count processes live, and had $((sum - before)) ticks of processor time in 10 s"
exit 1
"""
)
UNDO: Final = (
    _ALIVE
    + """own=$3/harehearse_$5
[ -d "$own" ] || exit 0
: > "$own/over"
try=0
while :; do
  left=
  [ ! -e "$own/pids" ] || while read -r one begun; do
    alive "$one" "$begun" || continue
    kill -KILL "$one" 2> /dev/null
    left="$left $one"
  done < "$own/pids"
  [ -n "$left" ] || break
  [ $try -lt 50 ] || { echo "still alive:$left" >&2; exit 1; }
  try=$((try + 1))
  sleep 0.1
done
rm -rf -- "$own"
"""
)
UNDONE: Final = (
    _ALIVE
    + """own=$3/harehearse_$5
[ -e "$own" ] || exit 0
left=
[ ! -e "$own/pids" ] || while read -r one begun; do
  ! alive "$one" "$begun" || left="$left $one"
done < "$own/pids"
[ -z "$left" ] || { echo "its processes still live:$left"; exit 1; }
echo "its folder $own is still there"
exit 1
"""
)
#: All that were started have to live until they are ended by us: what the kernel killed pressed no longer.
LIVE: Final = (
    _ALIVE
    + """own=$3/harehearse_$5
[ -e "$own/pids" ] || { echo "nothing of it runs any more"; exit 1; }
while read -r one begun; do
  alive "$one" "$begun" || { echo "its process $one ended by itself or was killed"; exit 1; }
done < "$own/pids"
"""
)
