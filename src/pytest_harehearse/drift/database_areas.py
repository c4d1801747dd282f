# SPDX-License-Identifier: MIT
"""What is read of a host's database cluster and of keepalived: their files, key by key, and what runs, as it was told to run.

As in ``areas``; a key that sounds like a secret is left out on the node itself, so its value never leaves it. A Patroni or
Sentinel file in another place is found when the inventory names it.
"""

from __future__ import annotations

from typing import Final

#: Of a key: it is not told.
_UNTOLD: Final = "pass|secret|auth|credential|private|[_.-]key"

#: Block-style YAML (or JSON of a key a line) as ``path<TAB>value``, lists as ``path[]``. Left out: a line without a key, and
#: ``bootstrap``, which is only read for the very first start.
_YAML: Final = f"""yaml() {{ awk -v secret='{_UNTOLD}' '
function told(path, value) {{ sub(/^[ \\t]+/, "", value); sub(/[ \\t]+#.*$/, "", value); sub(/[ \\t\\r]*,?[ \\t\\r]*$/, "", value)
  gsub(/^["\\047]|["\\047]$/, "", value); if (value !~ /^[\\[{{}}\\]]?$/ && path !~ /^bootstrap/ && tolower(path) !~ secret) print path "\\t" value }}
function key(word) {{ gsub(/["\\047 \\t]/, "", word); return word }}
/^[ \\t]*(#|$|---|[{{}}\\]])/ {{next}}
{{ match($0, /^ */); n = RLENGTH; line = substr($0, n + 1); item = line ~ /^- /
  while (d > 0 && (at[d] > n || (at[d] == n && !item))) d--
  if (item) {{ told(path[d] "[]", substr(line, 3)); next }}
  i = index(line, ":"); if (i < 2) next
  k = (d ? path[d] "." : "") key(substr(line, 1, i - 1)); d++; at[d] = n; path[d] = k; told(k, substr(line, i + 1)) }}'; }}
"""

#: Those that are there; the first of them is the one that ``patronictl`` is given.
_PATRONI_FILES: Final = """configured=$(ls /etc/patroni.yml /etc/patroni/*.yml /etc/patroni/*.yaml \\
  $(printf '%s\\n' "$files" | grep -E '/patroni[^/]*\\.ya?ml$') 2> /dev/null)
[ -n "$configured" ] || exit 3
"""

_QUESTION: Final = "SELECT name, setting || coalesce('' '' || unit, '''') FROM pg_settings".replace("''", "'")

AREAS: Final[dict[str, str]] = {
    "patroni": _YAML + _PATRONI_FILES + """command -v patronictl > /dev/null || { echo 'patronictl is not there' >&2; exit 1; }
set -- $configured
said=$(patronictl -c "$1" show-config) || exit 1
printf '%s\\n' "$said" | yaml""",
    "patroni-local": _YAML + _PATRONI_FILES + """for f in $configured; do [ -r "$f" ] || exit 1; yaml < "$f"; done""",
    "postgresql": f"""found=3
for p in /proc/[0-9]*; do
  read -r name 2> /dev/null < "$p/comm" || continue
  case $name in postgres|postmaster) ;; *) continue;; esac
  d=$(readlink "$p/cwd") && [ -f "$d/postmaster.pid" ] || continue
  {{ read -r pid && read -r _ && read -r _ && read -r port && read -r place; }} < "$d/postmaster.pid" || continue
  [ "$pid" = "${{p#/proc/}}" ] || continue
  found=0; owner=$(stat -c %U "$d"); b=$(readlink "$p/exe"); b=${{b%/*}}/psql; [ -x "$b" ] || b=psql
  set -- env PGCONNECT_TIMEOUT=5 PGOPTIONS='-c statement_timeout=9s -c default_transaction_read_only=on' \\
    "$b" -XAtqw -F "$(printf '\\t')" -h "${{place:-localhost}}" -p "$port" -d postgres -c "{_QUESTION}"
  [ "$(id -un)" = "$owner" ] || set -- runuser -u "$owner" -- "$@"
  cd / && "$@" || exit 1
done
exit $found""",
    "etcd": f"""found=3; secret='{_UNTOLD}'; place='name|url|^initial-|token|dir|discovery|trusted-ca|cert|log'
told() {{ tr 'A-Z_' 'a-z-' | awk -F= -v secret="$secret" -v place="$place" '{{n = $1; sub(/^-*(etcd-)?/, "", n)
  if (n != "" && n !~ secret && n !~ place && NF > 1) print n "\\t" substr($0, length($1) + 2)}}'; }}
for p in /proc/[0-9]*; do
  read -r name 2> /dev/null < "$p/comm" || continue
  [ "$name" = etcd ] || continue
  found=0
  tr '\\0' '\\n' < "$p/environ" | grep '^ETCD_' | told
  tr '\\0' '\\n' < "$p/cmdline" | awk 'function last() {{if (flag != "") print flag "=true"; flag = ""}}
    NR > 1 {{if (/^-/) last(); if (/^-.*=/) print; else if (/^-/) flag = $0; else if (flag != "") {{print flag "=" $0; flag = ""}}}} END {{last()}}' | told
done
exit $found""",
    "sentinel": f"""found=3; for f in /etc/redis/sentinel.conf /etc/redis-sentinel.conf /etc/valkey/sentinel.conf \\
  $(printf '%s\\n' "$files" | grep -E '/sentinel[^/]*\\.conf$'); do
  [ -f "$f" ] || continue
  found=0; [ -r "$f" ] || exit 1
  awk -v secret='{_UNTOLD}' '$1 == "sentinel" && $2 !~ /^(myid|monitor|known-|current-epoch|config-epoch|leader-epoch|announce-|client-reconfig)/ \\
    && tolower($2) !~ secret {{n = $2 " " $3; $1 = $2 = $3 = ""; sub(/^ +/, ""); print n "\\t" $0}}' "$f"
done
exit $found""",
    "keepalived": f"""f=/etc/keepalived/keepalived.conf; [ -e "$f" ] || exit 3; [ -r "$f" ] || exit 1
awk -v secret='{_UNTOLD}' '{{sub(/[ \\t]*[!#].*/, "")}} NF == 0 {{next}}
/{{/ {{sub(/[ \\t]*{{.*/, ""); sub(/^[ \\t]*/, ""); d++; path[d] = path[d - 1] $0 "."; next}} /}}/ {{if (d > 0) d--; next}}
{{k = $1; sub(/^[ \\t]*[^ \\t]+[ \\t]*/, ""); if (tolower(k) !~ secret) print path[d] ($0 == "" ? "[]" : k) "\\t" ($0 == "" ? k : $0)}}' "$f" """,
}  # fmt: skip
