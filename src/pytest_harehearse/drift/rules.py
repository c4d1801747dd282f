# SPDX-License-Identifier: MIT
"""What must be alike, and what a difference does to a failover: the first rule that fits a path decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from pytest_harehearse.inventory.model import DriftRule


class Policy(StrEnum):
    """How values must compare."""

    MUST_MATCH = "must_match"
    #: Versions may differ after their second number.
    SAME_MINOR = "same_minor"
    MAY_DIFFER = "may_differ"
    IGNORE = "ignore"


class Severity(StrEnum):
    """What a difference does to a failover, the worst first."""

    #: It can break it, lengthen it, or send it elsewhere.
    FORBIDDEN = "forbidden"
    #: It may show in a failover.
    WATCH = "watch"
    NOTE = "note"


ORDER: Final = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Rule:
    """Paths that are alike, and why that matters."""

    #: A glob over paths, as in ``sysctl/net.ipv4.*``; "*" also crosses slashes.
    path: str
    policy: Policy
    severity: Severity
    reason: str
    #: Phases of an interruption that it acts on, as in ``history.phases.PHASES``.
    acts_on: tuple[str, ...] = ()

    def fits(self, path: str) -> bool:
        """Whether it decides on a path."""
        return fnmatchcase(path, self.path)


def rule_for(path: str, rules: Sequence[Rule]) -> Rule:
    """Return the first rule that fits; without any, a difference is noted."""
    return next((rule for rule in rules if rule.fits(path)), _REST)


def of_site(rule: DriftRule) -> Rule:
    """Return a rule of the inventory."""
    return Rule(rule.path, Policy(rule.policy), Severity(rule.severity), rule.reason)


_NUMBERS: Final = re.compile(r"\d+")


def minor(value: str) -> tuple[str, ...]:
    """Return the first two numbers of a version, without an epoch."""
    return tuple(_NUMBERS.findall(value.rpartition(":")[2])[:2])


def alike(policy: Policy, values: Iterable[str | None]) -> bool:
    """Whether values are as a policy wants them; None stands for a path that is not there."""
    found = set(values)
    if policy is Policy.SAME_MINOR and None not in found:
        return len({minor(str(value)) for value in found}) <= 1
    return policy in {Policy.IGNORE, Policy.MAY_DIFFER} or len(found) <= 1


_REST: Final = Rule("*", Policy.MUST_MATCH, Severity.NOTE, "the nodes are not alike here")
_M, _F, _W, _N = Policy.MUST_MATCH, Severity.FORBIDDEN, Severity.WATCH, Severity.NOTE
_CLUSTER_PACKAGES: Final = (
    "corosync*", "pacemaker*", "libqb*", "libknet*", "fence-agents*", "resource-agents*", "crmsh*", "pcs", "pcs:*", "sbd*",
    "keepalived*", "patroni*", "postgresql*", "etcd*", "haproxy*", "drbd*", "mariadb*", "mysql*", "galera*", "valkey*", "redis*",
)  # fmt: skip

#: The rules that come with the product.
BUILT_IN: Final[tuple[Rule, ...]] = (
    # -- how a loss is detected
    Rule("corosync*/*cluster_name", Policy.MAY_DIFFER, _N, "a name moves nothing"),
    Rule(
        "corosync*/*totem.token", _M, _F,
        "a lost node is only missed after this time, and left out of the membership 1.2 times as long after that",
        ("detect", "decide"),
    ),
    Rule("corosync*/totem.token_coefficient", _M, _F, "it lengthens the token with every node", ("detect",)),
    Rule("corosync*/totem.consensus", _M, _F, "a new membership is only formed after this time", ("decide",)),
    Rule("corosync*/totem.token_retransmits*", _M, _F, "so many lost packets are forgiven before a node is lost", ("detect",)),
    Rule("corosync/runtime.config.totem.*", _M, _N, "corosync works it out, mostly from the token"),
    Rule("corosync*/*totem.*", _M, _F, "members that talk differently lose each other", ("detect",)),
    Rule("corosync*/*quorum.*", _M, _F, "quorum decides who may go on serving", ("decide",)),
    Rule("corosync*/*nodelist*", _M, _F, "a member that is not listed alike is not found"),
    Rule("corosync-conf/interface*", _M, _F, "members that talk differently lose each other", ("detect",)),
    Rule("corosync*/*logging*", Policy.MAY_DIFFER, _N, "logging moves nothing"),
    Rule("corosync*/*", _M, _W, "the members' transport differs", ("detect",)),
    # -- the cluster's decisions
    Rule("cib/property stonith-timeout", _M, _F, "fencing is given up only after this time", ("fence",)),
    Rule("cib/property stonith-enabled", _M, _F, "without fencing a lost node is not taken over from safely", ("fence",)),
    Rule("cib/property stonith-action", _M, _F, "off and reboot take different times", ("fence",)),
    Rule("cib/property no-quorum-policy", _M, _F, "it decides what a minority does", ("decide",)),
    Rule("cib/property *", _M, _W, "the cluster decides by it", ("decide",)),
    Rule("cib/resource default *", _M, _F, "how sticky and how forgiving resources are decides where they run", ("decide",)),
    Rule("cib/operation default *", _M, _F, "a start, stop or monitor is given up after its timeout", ("start", "stop", "detect")),
    Rule("cib/constraint *", _M, _F, "constraints decide where resources may run", ("decide",)),
    Rule("fence/*", _M, _F, "a fence device that differs fences differently, or not at all", ("fence",)),
    Rule("resource/* start timeout", _M, _F, "a start is given up after it", ("start",)),
    Rule("resource/* stop timeout", _M, _F, "a stop that exceeds it leads to fencing", ("stop", "fence")),
    Rule("resource/* monitor*", _M, _F, "a dead service is found no sooner than its monitor looks", ("detect",)),
    Rule("resource/*", _M, _F, "what moves is not the same", ("stop", "start")),
    # -- database clusters
    Rule("patroni*/*ttl", _M, _F, "a dead primary's lease lasts so long", ("detect",)),
    Rule("patroni*/*loop_wait", _M, _F, "Patroni looks no oftener", ("detect", "decide")),
    Rule("patroni*/*retry_timeout", _M, _F, "a primary gives up so long after it lost its store", ("detect", "decide")),
    Rule("patroni*/*maximum_lag_on_failover", _M, _F, "a standby further behind is not promoted", ("decide",)),
    Rule("patroni*/*synchronous_*", _M, _F, "it decides who may take over without loss", ("decide",)),
    Rule("patroni*/*master_start_timeout", _M, _F, "so long a crashed primary may start again before others take over", ("decide",)),
    Rule("patroni*/*primary_start_timeout", _M, _F, "so long a crashed primary may start again before others take over", ("decide",)),
    Rule("patroni*/*", _M, _W, "the nodes' Patroni differs", ("decide",)),
    *(
        Rule(f"postgresql/{name}", _M, _F, "a standby with less than its primary refuses to start or stops replaying", ("start",))
        for name in (
            "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction",
        )
    ),
    *(
        Rule(f"postgresql/{name}", _M, _F, "it decides how a standby follows and takes over", ("start",))
        for name in ("wal_level", "wal_log_hints", "hot_standby*", "synchronous_*", "recovery_*", "wal_keep_*", "max_slot_wal*")
    ),
    Rule("postgresql/wal_receiver_*", _M, _W, "a standby notices a dead primary by it", ("detect",)),
    Rule("postgresql/*", _M, _W, "the same database behaves differently on another node"),
    Rule("etcd/heartbeat-interval", _M, _F, "a lost leader is found by it", ("detect",)),
    Rule("etcd/election-timeout", _M, _F, "a new leader is only chosen after this time", ("detect", "decide")),
    Rule("etcd/*", _M, _W, "the members of the store differ", ("decide",)),
    Rule("keepalived/*priority", Policy.MAY_DIFFER, _N, "it says whose turn it is, and differs by nature"),
    Rule("keepalived/*state", Policy.MAY_DIFFER, _N, "who begins, by nature not all"),
    Rule("keepalived/*unicast_peer*", Policy.MAY_DIFFER, _N, "the others, seen from each node"),
    Rule("keepalived/*advert_int", _M, _F, "a lost master is missed after three times as long", ("detect",)),
    Rule("keepalived/*", _M, _F, "nodes that talk VRRP differently do not follow each other", ("detect", "vip")),
    Rule("valkey/*", _M, _W, "the same store behaves differently on another node"),
    Rule("sentinel/*down-after*", _M, _F, "a dead primary is only called down after this time", ("detect",)),
    Rule("sentinel/*", _M, _F, "sentinels that differ decide differently", ("decide",)),
    # -- the host
    Rule("kernel/release", _M, _F, "another kernel is another system to fail over to"),
    Rule("kernel/build", _M, _W, "another build of the kernel"),
    Rule("kernel/machine", _M, _F, "another kind of machine"),
    Rule("kernel/command line", _M, _W, "the kernel was started differently"),
    *(
        Rule(f"package/{name}", _M, _F, "nodes of one cluster must run the same version of it", ("start", "decide"))
        for name in _CLUSTER_PACKAGES
    ),
    Rule("package/linux-*", _M, _W, "another kernel is installed, and starts with the next boot"),
    Rule("package/*", _M, _W, "not the same software was patched on every node"),
    Rule("module/*", _M, _W, "another version of a driver"),
    Rule("driver/*", _M, _W, "another driver or firmware of a network card", ("detect",)),
    Rule("firmware/*", _M, _N, "another machine below"),
    *(
        Rule(f"sysctl/{name}", _M, _F, reason, acts)
        for name, reason, acts in (
            ("net.ipv4.ip_nonlocal_bind", "a service that binds the moving address beforehand needs it", ("start",)),
            ("net.ipv4.conf.*.arp_*", "who answers for the moving address, and who believes it", ("vip",)),
            ("net.ipv4.tcp_retries2", "established connections notice a dead node only after it", ("answer",)),
            ("net.ipv4.tcp_keepalive_*", "idle connections notice a dead node only after it", ("answer",)),
            ("net.ipv4.tcp_syn_retries", "new connections wait so long for a dead node", ("answer",)),
            ("net.ipv4.conf.*.rp_filter", "answers by another way are dropped", ("answer",)),
            ("net.ipv4.ip_forward", "traffic is passed on or not", ("answer",)),
            ("kernel.panic*", "whether a broken node comes back by itself", ("redundancy",)),
            ("kernel.sysrq", "whether a node can be reset from within", ("fence",)),
            ("vm.overcommit_*", "a database may not start where memory is promised differently", ("start",)),
            ("vm.nr_hugepages", "a database may not start without its huge pages", ("start",)),
            ("kernel.shm*", "a database may not start with less shared memory", ("start",)),
            ("kernel.sem", "a database may not start with fewer semaphores", ("start",)),
            ("fs.aio-max-nr", "a database may not start with fewer asynchronous requests", ("start",)),
            ("vm.swappiness", "a standby that swaps takes over slowly", ("start",)),
        )
    ),
    Rule("sysctl/net.*", _M, _W, "the network behaves differently on another node", ("answer",)),
    Rule("sysctl/*", _M, _W, "the kernel behaves differently on another node"),
    Rule("mount/*", _M, _W, "a filesystem that is missing or mounted differently fails the start", ("start",)),
    Rule("unit/*", _M, _F, "a service starts differently after a failover", ("start", "stop")),
    Rule("enabled/*", _M, _F, "what starts by itself after a boot differs", ("redundancy",)),
    Rule("file//etc/corosync/authkey", _M, _F, "without the same key members do not know each other", ("detect",)),
    Rule("file//etc/pacemaker/authkey", _M, _F, "without the same key remote nodes are lost", ("detect",)),
    Rule("file/*", _M, _F, "the cluster's own files differ", ("decide",)),
    Rule("sudoers/*", _M, _W, "whoever must act at night may not be allowed to"),
    Rule("hosts/*", _M, _W, "a name leads elsewhere on another node", ("start",)),
    Rule("dns/*", _M, _W, "names are looked up elsewhere, or slower", ("start",)),
    Rule("ntp/NTPSynchronized", _M, _W, "a clock that runs free spoils leases and logs", ("decide",)),
    Rule("ntp/*", _M, _W, "the clocks follow different sources"),
    Rule("certificate/*", Policy.MAY_DIFFER, _W, "their ends are looked at on their own"),
    Rule("port/*", Policy.MAY_DIFFER, _N, "the active node listens where a standby does not"),
    Rule("user/*", _M, _W, "files of a service may belong to somebody else on another node", ("start",)),
    Rule("group/*", _M, _N, "members of groups differ"),
)  # fmt: skip

#: Between a cluster and its twin these are different by nature: other hosts, another site.
BETWEEN_SITES: Final[tuple[Rule, ...]] = (
    Rule("corosync*/*nodelist*", Policy.MAY_DIFFER, _N, "other members by nature"),
    Rule("corosync*/*interface*", Policy.MAY_DIFFER, _N, "other networks by nature"),
    Rule(
        "file//etc/corosync/*",
        Policy.MAY_DIFFER,
        _N,
        "other members and keys by nature; what they say is told by its keys",
    ),
    Rule("file//etc/pacemaker/authkey", Policy.MAY_DIFFER, _N, "other keys by nature"),
    Rule("fence/*", _M, _W, "other fence devices; they may take another time", ("fence",)),
    Rule("hosts/*", Policy.MAY_DIFFER, _N, "other names by nature"),
    Rule("dns/*", Policy.MAY_DIFFER, _N, "other name servers by nature"),
    Rule("mount/*", _M, _N, "other disks by nature"),
    Rule("driver/*", _M, _N, "other hardware by nature"),
    Rule("firmware/*", Policy.MAY_DIFFER, _N, "other hardware by nature"),
    Rule("keepalived/*address*", Policy.MAY_DIFFER, _N, "other addresses by nature"),
    Rule("resource/* ip", Policy.MAY_DIFFER, _N, "another address by nature"),
    Rule("cib/constraint *", _M, _W, "constraints decide where resources may run", ("decide",)),
    *BUILT_IN,
)
