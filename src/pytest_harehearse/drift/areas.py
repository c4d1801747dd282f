# SPDX-License-Identifier: MIT
"""What is read of a host, area by area: the shell lines that print ``NAME<TAB>VALUE``, and nothing that changes anything.

An area ends with 0 (read), 3 (there is nothing of the kind on this host) or else (it could not be read: not known).
Passwords and keys are never printed: files are told by a digest, the cluster's parameters are blanked when they are parsed.
"""

from __future__ import annotations

from typing import Final

from pytest_harehearse.drift import database_areas

#: How a file is told: digest, mode, owner. $1 … are paths; one that is not there is left out.
_TELL: Final = """tell() { for f; do [ -f "$f" ] || continue
  printf '%s\\t%s %s\\n' "$f" "$(sha256sum < "$f" | cut -c1-16)" "$(stat -c '%a %U:%G' "$f")"; done; }
"""

AREAS: Final[dict[str, str]] = {
    "own": """uname -n | sed 's/^/host\\t/'
hostname -f 2> /dev/null | sed 's/^/host\\t/'
ip -o addr show scope global 2> /dev/null | awk '{split($4, a, "/"); print "address\\t" a[1]}'
cat /sys/class/net/*/address 2> /dev/null | grep -v '^00:00:00:00:00:00$' | sed 's/^/mac\\t/'
sed 's/^/machine\\t/' /etc/machine-id 2> /dev/null
sed 's/^/boot\\t/' /proc/sys/kernel/random/boot_id""",
    "kernel": """printf 'release\\t%s\\n' "$(uname -r)"
printf 'build\\t%s\\n' "$(uname -v)"
printf 'machine\\t%s\\n' "$(uname -m)"
printf 'command line\\t%s\\n' "$(cat /proc/cmdline)" """,
    "package": """if command -v dpkg-query > /dev/null; then
  said=$(dpkg-query -W -f '${db:Status-Abbrev}\\t${binary:Package}\\t${Version}\\n') || exit 1
  printf '%s\\n' "$said" | sed -n 's/^[ih]i *\\t//p'
elif command -v rpm > /dev/null; then rpm -qa --qf '%{NAME}.%{ARCH}\\t%{VERSION}-%{RELEASE}\\n'
else exit 3; fi""",
    "module": """for f in /sys/module/*/version; do [ -r "$f" ] || continue
  n=${f%/version}; printf '%s\\t%s\\n' "${n##*/}" "$(cat "$f")"; done""",
    "firmware": """cd /sys/class/dmi/id 2> /dev/null || exit 3
for n in bios_vendor bios_version bios_date product_name; do [ -r $n ] && printf '%s\\t%s\\n' $n "$(cat $n)"; done; :""",
    "driver": """for d in /sys/class/net/*; do n=${d##*/}; [ "$n" = lo ] && continue
  l=$(readlink "$d/device/driver") || continue
  v=$(command -v ethtool > /dev/null && ethtool -i "$n" 2> /dev/null | sed -n 's/^\\(version\\|firmware-version\\): //p' | tr '\\n' ' ')
  printf '%s\\t%s %s\\n' "$n" "${l##*/}" "$v"; done; :""",
    "sysctl": """command -v sysctl > /dev/null || exit 3
sysctl -a 2> /dev/null | sed 's/ *= */\\t/'""",
    "mount": """awk '$3 !~ /^(proc|sysfs|cgroup2?|devpts|devtmpfs|autofs|mqueue|hugetlbfs|debugfs|tracefs|securityfs|pstore|bpf|configfs|fusectl|binfmt_misc|rpc_pipefs|nsfs|efivarfs|ramfs)$/ \\
  && $2 !~ /^\\/(run\\/(user|credentials)|proc|sys|dev)(\\/|$)/ {sub(/,?subvolid=[0-9]+/, "", $4); print $2 "\\t" $1 " " $3 " " $4}' /proc/self/mounts""",
    "unit": _TELL + """for d in /etc/systemd/system /etc/systemd/system.control /usr/local/lib/systemd/system; do
  find "$d" -type f 2> /dev/null | sort | while read -r f; do tell "$f"; done; done
# Where packages put theirs: what no package brought, or what is not as it brought it.
d=/usr/lib/systemd/system; [ -d $d ] || d=/lib/systemd/system; cd $d 2> /dev/null || exit 0
if command -v dpkg-query > /dev/null; then sum=md5sum; brought() { cat /var/lib/dpkg/info/*.md5sums 2> /dev/null
  for f in /var/lib/dpkg/info/*.list; do [ -e "${f%.list}.md5sums" ] || sed 's/^/  /' "$f"; done; }
elif command -v rpm > /dev/null; then sum=sha256sum; brought() { rpm -qa --qf '[%{FILEDIGESTS}  %{FILENAMES}\\n]'; }
else exit 0; fi
{ brought | sed -n 's#^\\([0-9a-f]*\\)  /*\\(usr/\\)\\{0,1\\}lib/systemd/system/#\\1  #p'; echo --
  find . -type f -printf '%P\\0' | xargs -0r $sum -z | tr '\\0' '\\n'; } | awk '/^--$/ {here = 1; next} !here {as[$0]; next}
  !($0 in as) {sub(/^[0-9a-f]*/, ""); if (!($0 in as)) print substr($0, 3)}' | sort | while IFS= read -r f; do tell "$d/$f"; done""",
    "enabled": """command -v systemctl > /dev/null || exit 3
said=$(systemctl list-unit-files --no-legend --no-pager --plain --state=enabled,masked) || exit 1
printf '%s\\n' "$said" | awk 'NF {print $1 "\\t" $2}'""",
    "file": _TELL + """tell /etc/corosync/corosync.conf /etc/corosync/authkey /etc/pacemaker/authkey /etc/default/pacemaker \\
  /etc/sysconfig/pacemaker /etc/default/sbd /etc/sysconfig/sbd /etc/drbd.conf /etc/drbd.d/*.res /etc/booth/*.conf \\
  /etc/haproxy/haproxy.cfg /etc/exports /etc/nginx/nginx.conf
printf '%s\\n' "$files" | while IFS= read -r f; do [ -n "$f" ] || continue
  if [ -e "$f" ]; then tell "$f"; else printf '%s\\tabsent\\n' "$f"; fi; done""",
    "corosync-conf": """[ -r /etc/corosync/corosync.conf ] || exit 3
awk '/^[ \\t]*#/ {next} /{/ {p = path[d] $1 "."; if ($1 ~ /^(node|interface|device)$/) p = p count[p]++ "."; d++; path[d] = p; next}
/}/ {if (d > 0) d--; next}
/:/ {k = $1; sub(/:.*/, "", k); v = $0; sub(/^[^:]*:[ \\t]*/, "", v); print path[d] k "\\t" v}' /etc/corosync/corosync.conf""",
    "corosync": """command -v corosync-cmapctl > /dev/null || exit 3
said=$(corosync-cmapctl) || exit 1
printf '%s\\n' "$said" | sed -n 's/^\\(\\(runtime\\.config\\|totem\\|quorum\\)\\.[^ ]*\\) ([^)]*) = \\(.*\\)$/\\1\\t\\3/p'""",
    "cib": """command -v cibadmin > /dev/null || exit 3
cibadmin --query --local""",
    "sudoers": _TELL + "tell /etc/sudoers /etc/sudoers.d/*",
    "hosts": r"""sed -n 's/#.*//; s/^[ \t]*//; /^[0-9a-fA-F:.]/ s/[ \t][ \t]*/\t/p' /etc/hosts""",
    "dns": r"""sed -n 's/[ \t]*[#;].*//; /^[a-z]/ s/[ \t][ \t]*/\t/p' /etc/resolv.conf
sed -n 's/^hosts:[ \t]*/lookup\t/p' /etc/nsswitch.conf 2> /dev/null; :""",
    "ntp": _TELL + r"""tell /etc/chrony.conf /etc/chrony/chrony.conf /etc/chrony/conf.d/* /etc/systemd/timesyncd.conf /etc/ntp.conf
command -v timedatectl > /dev/null && timedatectl show 2> /dev/null | sed -n 's/^\(NTP\|NTPSynchronized\|Timezone\)=/\1\t/p'; :""",
    "certificate": """command -v openssl > /dev/null || exit 3
for f in /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/*.pem /etc/ssl/*.crt /etc/pki/tls/certs/localhost.crt /var/lib/pcsd/pcsd.crt \\
  /etc/nginx/ssl/* /etc/haproxy/*.pem /etc/haproxy/certs/* /etc/patroni/*.crt /etc/etcd/*.crt /etc/postgresql/*/*/*.crt $certificates; do
  [ -f "$f" ] || continue
  e=$(openssl x509 -noout -enddate -in "$f" 2> /dev/null) || continue
  printf '%s\\t%s\\n' "$f" "${e#notAfter=}"; done""",
    # Without ss the kernel's own tables: addresses in hexadecimal, IPv4 turned around.
    "port": """command -v ss > /dev/null || { cd /proc/net && cat tcp udp > /dev/null || exit 1
  for t in tcp tcp6 udp udp6; do [ -r $t ] || continue
  awk -v t=${t%6} 'function n(h,  i, v) {for (i = 1; i <= length(h); i++) v = v * 16 + index("0123456789ABCDEF", substr(h, i, 1)) - 1; return v}
    NR > 1 && $4 == (t == "tcp" ? "0A" : "07") {split($2, a, ":"); h = a[1]
    if (length(h) == 8) h = n(substr(h, 7, 2)) "." n(substr(h, 5, 2)) "." n(substr(h, 3, 2)) "." n(substr(h, 1, 2))
    else if (h ~ /^0+$/) h = "[::]"; else if (h ~ /^0+1000000$/) h = "[::1]"; else h = "[" h "]"
    print t " " h ":" n(a[2]) "\\tlistening"}' $t; done | sort -u; exit 0; }
said=$(ss -Hlntu) || exit 1
printf '%s\\n' "$said" | awk 'NF' | awk '{print $1 " " $5 "\\tlistening"}' | sort -u""",
    "user": "awk -F: '{print $1 \"\\t\" $3 \":\" $4 \" \" $6 \" \" $7}' /etc/passwd",
    "group": "awk -F: '{print $1 \"\\t\" $3 \" \" $4}' /etc/group",
    **database_areas.AREAS,
}  # fmt: skip

#: How long one area may take on a node, in seconds.
AREA_S: Final = 20

#: What runs on the node: $1 the inventory's files, then area and lines in turn. Each area's answer is one line, whatever bytes
#: it holds: name, what it printed and its exit status, and on a failure the first of what it complained about, in Base64.
SCRIPT: Final = """LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin; export PATH
files=$1; export files
certificates=$(printf '%s\\n' "$files" | grep -E '\\.(pem|crt|cer)$' | tr '\\n' ' '); export certificates
seconds=$2; shift 2
exec 5>&1
while [ $# -ge 2 ]; do
  printf '%s\\t' "$1"
  said=$({ { timeout "$seconds" sh -c "$2" < /dev/null 2>&3 3>&- 5>&-; printf '\\n=%s' "$?"; } | base64 | tr -d '\\n' >&5; } 3>&1 \\
    | tail -c 300 | base64 | tr -d '\\n')
  printf '\\t%s\\n' "$said"
  shift 2
done
printf 'end\\t\\t\\n'
"""
