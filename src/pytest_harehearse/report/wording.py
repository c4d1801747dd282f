# SPDX-License-Identifier: MIT
"""The words and numbers all reports share, so that page, ticket and terminal say the same thing."""

from __future__ import annotations

import shlex
import unicodedata
from collections import Counter
from typing import Final

from pytest_harehearse.history.summary import (
    ClusterSummary,
    LimitSummary,
    RehearsalSummary,
    RunSummary,
    ServiceSummary,
    Span,
    Verdict,
)
from pytest_harehearse.probes.audit import Audit
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.units import show

SIGNS: Final = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.UNKNOWN: "?", Verdict.UNFINISHED: "…"}
_SPAN_VERDICTS: Final = {"done": Verdict.PASSED, "failed": Verdict.FAILED, "unknown": Verdict.UNKNOWN}
#: Direction marks that can make text read other than it is written.
_BIDI: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: How an invariant came out.
HELD: Final = {
    Verdict.PASSED: "held",
    Verdict.FAILED: "broken",
    Verdict.UNKNOWN: "unknown",
    Verdict.UNFINISHED: "unknown",
}
NOT_INTERRUPTED: Final = "not interrupted"
UNKNOWN: Final = "unknown"
NONE: Final = "–"


def plain(text: str, *, lines: bool = False) -> str:
    """Return text without control characters; on one line unless ``lines`` are kept."""

    def safe(character: str) -> str:
        if character in "\n\t":
            return character if lines else " "
        return "\ufffd" if character in _BIDI or unicodedata.category(character) in {"Cc", "Cs"} else character

    cleaned = "".join(map(safe, text.replace("\r\n", "\n")))
    return cleaned if lines else cleaned.strip()


def sign(verdict: Verdict | str) -> str:
    """Return the sign of a verdict, which stands beside every colour."""
    return SIGNS[Verdict(verdict)]


def armed(cluster: ClusterSummary) -> str:
    """Return for which change a production was armed and by whom; nothing for what was not."""
    return f"armed for change {plain(cluster.change)} by {plain(cluster.armed_by)}" if cluster.change else ""


def plural(count: int, noun: str) -> str:
    """Return ``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def number(value: float, beside: float | None = None) -> str:
    """Return seconds with two decimals; more when the value would read like ``beside``, its limit, and is over it."""
    if 0 < value < 0.005:
        return "<0.01"
    text = f"{value:.2f}"
    if beside is not None and value > beside:
        for digits in range(2, 7):
            text = f"{value:.{digits}f}"
            if float(text) > beside:
                break
    return text


def amount(value: float, unit: str = "s", beside: float | None = None) -> str:
    """Return one quantity: ``2.44 s``, or a bare count for writes."""
    if unit == "s":
        return f"{number(value, beside)} s"
    return f"{value:g}" if unit == "writes" else f"{value:g} {unit}"


def bounds(lower: float | None, upper: float | None, unit: str = "s", beside: float | None = None) -> str:
    """Return a pair of bounds: ``2.38 – 2.44 s``; without an upper one ``≥ 3.10 s``; without any ``unknown``."""
    if upper is None:
        return UNKNOWN if lower is None else f"≥ {amount(lower, unit, beside)}"
    high = amount(upper, unit, beside)
    low = high if lower is None else amount(lower, unit, beside)
    if low == high:
        return high
    return f"{low.removesuffix(f' {unit}')} – {high}"


def measured(limit: LimitSummary) -> str:
    """Return what was measured for a limit; that at least no write was lost is nothing measured."""
    if limit.unit == "writes" and limit.upper is None and not limit.lower:
        return UNKNOWN
    return bounds(limit.lower, limit.upper, limit.unit, limit.limit)


def limit_text(limit: LimitSummary) -> str:
    """Return what was allowed."""
    return f"≤ {amount(limit.limit, limit.unit)}"


def limit_sentence(limit: LimitSummary) -> str:
    """Return a limit in a line: ``interruption 6.10 – 6.20 s, limit 5.00 s, 1.20 s over``."""
    text = f"{plain(limit.name)} {measured(limit)}, limit {amount(limit.limit, limit.unit)}"
    worst = limit.lower if limit.upper is None else limit.upper
    if limit.verdict is Verdict.FAILED and worst is not None and worst > limit.limit:
        at_least = "at least " if limit.upper is None else ""
        text += f", {at_least}{amount(worst - limit.limit, limit.unit)} over"
    return text


def service_bounds(service: ServiceSummary | None) -> str:
    """Return a service's total interruption as bounds; ``unknown`` when it was not measured soundly."""
    if service is None:
        return NONE
    if not service.valid:
        return UNKNOWN
    return bounds(service.total_lower, service.total_upper) if service.outages else NOT_INTERRUPTED


def service_down(service: ServiceSummary | None, limit: float | None = None) -> str:
    """Return a service's total interruption by its upper bound, as a limit is judged."""
    if service is None or not service.valid or not service.outages:
        return service_bounds(service)
    if service.total_upper is None:
        return f"≥ {amount(service.total_lower)}"
    return amount(service.total_upper, beside=limit)


def outage_label(outage: Outage) -> str:
    """Return the length of one interruption as it is written on the timeline."""
    return f"≥ {amount(outage.lower)}" if outage.upper is None else amount(outage.upper)


def outage_note(outage: Outage) -> str:
    """Say what is open about an interruption; empty when it was seen from end to end."""
    if outage.open_start and outage.open_end:
        return "down for as long as it was watched: neither its start nor its end was seen"
    if outage.open_start:
        return "already down when the watch began: its start was not seen"
    if outage.open_end:
        return "still down when the watch ended: its end was not seen"
    return ""


def errors_text(errors: dict[str, int]) -> str:
    """Return errors by kind, most frequent first: ``refused 80, timeout 12``."""
    return ", ".join(f"{plain(kind)} {count}" for kind, count in sorted(errors.items(), key=lambda e: (-e[1], e[0])))


def at(t: float, t0: float) -> str:
    """Return an instant on the rehearsal's own clock: ``T+2.44 s``."""
    offset = t - t0
    if abs(offset) < 0.005:
        return "T₀"
    return f"T{'+' if offset > 0 else '−'}{abs(offset):.2f} s"


def took(span: Span) -> str:
    """Return how long an action or a wait took."""
    return "no end recorded" if span.end is None else show(max(0.0, span.end - span.start))


def span_verdict(span: Span) -> Verdict:
    """Return how an action ended, in the words of verdicts; anything not known is unknown."""
    return Verdict.UNFINISHED if span.end is None else _SPAN_VERDICTS.get(span.outcome, Verdict.UNKNOWN)


def audits(rehearsal: RehearsalSummary) -> list[Audit]:
    """Return the audits of written numbers in a rehearsal."""
    return [service.writes for service in rehearsal.services if service.writes is not None]


def lost(rehearsal: RehearsalSummary) -> str:
    """Return the number of lost writes; ``unknown`` when an audit could not be made, a dash when none was asked."""
    found = audits(rehearsal)
    if not found:
        return NONE
    count = sum(len(audit.lost) for audit in found)
    if any(audit.problem for audit in found):
        return f"≥ {count}" if count else UNKNOWN
    return str(count)


def interruption_limit(rehearsal: RehearsalSummary) -> LimitSummary | None:
    """Return the limit on the interruption: of several, that of the worst service, then a broken, then the tightest."""
    order = list(Verdict)
    service = rehearsal.worst_service
    own = f"interruption of {service.name}" if service else ""
    found = [limit for limit in rehearsal.limits if limit.unit == "s" and limit.name.startswith("interruption")]
    return min(found, key=lambda one: (one.name != own, -order.index(one.verdict), one.limit), default=None)


def worst_outage(service: ServiceSummary | None) -> Outage | None:
    """Return the interruption of a service that weighs most: an open one, then the longest."""
    if service is None:
        return None
    return max(service.outages, key=lambda o: (o.upper is None, o.upper or o.lower), default=None)


def tally(summary: RunSummary) -> str:
    """Return how the rehearsals ended: ``1 failed, 3 passed``; worst first."""
    counts = Counter(rehearsal.verdict for rehearsal in summary.rehearsals)
    return ", ".join(f"{counts[v]} {v.value}" for v in reversed(list(Verdict)) if counts[v]) or "no rehearsals"


def _reason(rehearsal: RehearsalSummary) -> str:
    reason = plain(rehearsal.reason or "").rstrip(".")
    return f"{plain(rehearsal.title)}: {reason}." if reason else f"{plain(rehearsal.title)}."


def _worst_of_passed(summary: RunSummary) -> str:
    down = [(s, r) for r in summary.rehearsals if (s := r.worst_service) and s.valid and s.total_upper is not None]
    service, rehearsal = max(down, key=lambda pair: pair[0].total_upper or 0.0, default=(None, None))
    if service is None or rehearsal is None:
        return "No service was watched."
    if not service.outages:
        return "No service was interrupted."
    where = f" ({plain(rehearsal.title)})" if len(summary.rehearsals) > 1 else ""
    return f"Users of {plain(service.name)} were interrupted for at most {amount(service.total_upper or 0.0)}{where}."


def why(summary: RunSummary) -> str:
    """Say in one sentence (two for a pass: verdict and what it cost) why the run came to its verdict."""
    every = len(summary.rehearsals)
    if not every:
        return "No rehearsal was recorded, so nothing was proved."
    concerned = [r for r in summary.rehearsals if r.verdict is summary.verdict]
    count = f"{len(concerned)} of {plural(every, 'rehearsal')}" if every > 1 else "The rehearsal"
    if summary.verdict is Verdict.PASSED:
        what = "The rehearsal kept" if every == 1 else f"All {every} rehearsals kept"
        return f"{what} every limit. {_worst_of_passed(summary)}"
    if not concerned:
        return f"Every rehearsal was judged ({tally(summary)}), but the run as a whole is {summary.verdict.value}."
    verb = {
        Verdict.FAILED: "failed",
        Verdict.UNKNOWN: "could not be judged, which is no pass",
        Verdict.UNFINISHED: "never ended: the run was stopped meanwhile",
    }[summary.verdict]
    return f"{count} {verb}{', first' if len(concerned) > 1 else ''}: {_reason(concerned[0])}"


def advice(verdict: Verdict) -> str:
    """Say what to do next; the command that follows is the summary's ``again``."""
    return {
        Verdict.PASSED: "To rehearse it again:",
        Verdict.FAILED: "Correct what is marked ✗ below, then repeat it:",
        Verdict.UNKNOWN: "Remove the cause marked ? below, then measure again:",
        Verdict.UNFINISHED: "See that nothing was left behind (harehearse doctor), then run it again:",
    }[verdict]


def command(summary: RunSummary) -> str:
    """Return the command line of the run, quoted for a shell."""
    words = summary.argv[1:] if summary.argv[:1] == ("pytest",) else summary.argv
    return shlex.join(["pytest", *words])


def headline(summary: RunSummary) -> str:
    """Return the run in a line: id, clusters, rehearsals, duration."""
    clusters, rehearsals = plural(len(summary.clusters), "cluster"), plural(len(summary.rehearsals), "rehearsal")
    return f"run {plain(summary.run)} · {clusters} · {rehearsals} · {show(summary.duration)}"
