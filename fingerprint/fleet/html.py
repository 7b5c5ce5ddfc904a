"""One HTML page on a fleet: verdicts, thresholds, drift and clones. It needs no network and no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from fingerprint.fleet.grouping import FINDINGS, READINGS
from fingerprint.fleet.planning import NOW
from fingerprint.rules.ssm import MATCHES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.fleet.checking import Summary
    from fingerprint.fleet.cloning import Clones
    from fingerprint.fleet.drifting import Drift
    from fingerprint.fleet.grouping import Group
    from fingerprint.fleet.planning import Plan

_COLORS = ("#2f6fde", "#d9480f", "#2b8a3e", "#862e9c", "#b08900", "#0b7285", "#c2255c")
_MOST_CLUSTERS = 50
_MOST_NODES = 6
_MOST_COLUMNS = 60

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6b7d; --line: #d9dfe7; --page: #f6f8fa; --card: #ffffff;
  --good: #2b8a3e; --bad: #c92a2a; --heat: 47, 111, 222; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf2; --soft: #9aa7b8; --line: #333d4b; --page: #12171e;
  --card: #1a212b; --good: #69db7c; --bad: #ff8787; --heat: 116, 160, 255; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 0 0 4px; }
p { margin: 4px 0 12px; color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px;
  margin-top: 20px; overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 16px; margin-top: 20px; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px; }
.figure b { display: block; font-size: 26px; font-weight: 650; font-variant-numeric: tabular-nums; }
.figure span { color: var(--soft); } .bad { color: var(--bad); } .good { color: var(--good); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); } th, td { padding: 5px 10px 5px 0; vertical-align: top; }
tr + tr td { border-top: 1px solid var(--line); } td.n, th.n { text-align: right; }
.heat td { padding: 0; border: 2px solid var(--card); height: 26px; min-width: 30px; text-align: center;
  font-size: 11px; }
.heat th { font-weight: 500; font-size: 12px; padding: 0 8px 0 0; white-space: nowrap; }
.heat thead th { writing-mode: vertical-rl; transform: rotate(180deg); padding: 8px 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; margin-top: 8px; color: var(--soft); }
.legend i { display: inline-block; width: 18px; height: 3px; margin-right: 7px; vertical-align: middle; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
code { font-family: ui-monospace, monospace; font-size: 13px; }
.bar { height: 9px; border-radius: 3px; margin-top: 7px; }
td.nodes code { white-space: nowrap; }
footer { margin-top: 24px; color: var(--soft); font-size: 13px; }
"""


def page(
    title: str, made_at: str, summary: Summary, plan: Plan, drift: Drift, clones: Clones | None, *, by: str
) -> str:
    """Return the HTML report of a fleet.

    Args:
        title: the name of the fleet, such as its file.
        made_at: the time of the report.
        summary, plan, drift: of one fleet.
        clones: of the same; None if they were not searched.
        by: the columns of the drift: "week" or "group".
    """
    parts = [_figures(summary, plan, clones), _verdicts(summary), _curve(plan), _heat(drift, by), _together(drift)]
    if clones is not None:
        parts.append(_clusters(clones))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Fleet: {escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>Hardware fingerprints of a fleet</h1><p>{escape(title)}, {escape(made_at)}</p>"
        f"{''.join(parts)}<footer>Made by fingerprint. Percentages are of machines.</footer></main></body></html>\n"
    )


def _figures(summary: Summary, plan: Plan, clones: Clones | None) -> str:
    highest = plan.highest(tolerate=plan.events[:1])
    figures = [
        (f"{summary.rows:,}", "machines", ""),
        (f"{summary.refused:,}", "would be rejected now", "bad" if summary.refused else "good"),
        (str(highest or "none"), "highest threshold that every machine passes now", ""),
    ]
    if clones is not None:
        figures.append((f"{clones.findings:,}", "groups of clones", "bad" if clones.findings else "good"))
    cards = (
        f'<div class="figure"><b class="{color}">{escape(number)}</b><span>{escape(words)}</span></div>'
        for number, words, color in figures
    )
    return f'<div class="figures">{"".join(cards)}</div>'


def _verdicts(summary: Summary) -> str:
    rows = []
    for reason, count in summary.reasons.items():
        if count:
            match = reason in MATCHES
            share = count / summary.rows
            color = "var(--good)" if match else "var(--bad)"
            rows.append(
                f"<tr><td><code>{escape(str(reason))}</code></td><td>{'match' if match else 'no match'}</td>"
                f'<td class="n">{count:,}</td><td class="n">{_percent(share)}</td><td style="width:40%">'
                f'<div class="bar" style="width:{max(100 * share, 0.4):.1f}%;background:{color}"></div></td></tr>'
            )
    return (
        "<section id=verdicts><h2>Verdicts</h2><p>Which rule decides each machine, at its own threshold.</p><table>"
        '<tr><th>reason</th><th></th><th class="n">machines</th><th class="n">share</th><th></th></tr>'
        f"{''.join(rows)}</table></section>"
    )


def _curve(plan: Plan) -> str:
    tallies = plan.groups[""]
    rows = max(1, tallies[NOW].rows)
    left, top, width, height = 56, 14, 980, 270
    lines = [
        f'<line x1="{left}" x2="{left + width}" y1="{top + height * (1 - y / 4):.0f}" '
        f'y2="{top + height * (1 - y / 4):.0f}" stroke="var(--line)"/>'
        f'<text x="{left - 8}" y="{top + height * (1 - y / 4) + 4:.0f}" text-anchor="end">{25 * y} %</text>'
        for y in range(5)
    ]
    lines += [
        f'<text x="{left + width * x / 100:.0f}" y="{top + height + 20}" text-anchor="middle">{x}</text>'
        for x in range(0, 101, 10)
    ]
    legend = []
    for place, (event, tally) in enumerate(tallies.items()):
        color = _COLORS[place % len(_COLORS)]
        points, before = [], None
        for threshold in range(1, 101):
            y = top + height * (1 - tally.refused_at(threshold) / rows)
            if before is not None:
                points.append(f"{left + width * (threshold - 0.5) / 100:.1f},{before:.1f}")
            points.append(f"{left + width * (threshold - 0.5) / 100:.1f},{y:.1f}")
            before = y
        lines.append(
            f'<polyline fill="none" stroke="{color}" stroke-width="{_thickness(place, len(tallies)):.1f}" '
            f'stroke-linejoin="round" points="{" ".join(points)}"><title>{escape(event)}</title></polyline>'
        )
        legend.append(f'<span><i style="background:{color}"></i>{escape(event)}</span>')
    return (
        "<section id=thresholds><h2>Rejected machines by threshold</h2><p>Share of machines that would be rejected, by "
        "similarity threshold: now, and after each event.</p>"
        f'<svg viewBox="0 0 {left + width + 20} {top + height + 40}" role="img">{"".join(lines)}'
        f'<text x="{left + width / 2}" y="{top + height + 37}" text-anchor="middle">similarity threshold</text></svg>'
        f'<div class="legend">{"".join(legend)}</div></section>'
    )


def _thickness(place: int, lines: int) -> float:
    """Return the thickness of a line: lines drawn first are thicker, so that later ones do not cover them."""
    return 2.0 + 1.6 * (lines - 1 - place)


def _heat(drift: Drift, by: str) -> str:
    columns = sorted(drift.machines)[-_MOST_COLUMNS:]
    head = "".join(f"<th>{escape(column or 'none')}</th>" for column in columns)
    rows = []
    for name, counts in sorted(drift.changed.items(), key=lambda pair: -sum(pair[1].values())):
        cells = []
        for column in columns:
            share = counts[column] / drift.machines[column] if drift.machines[column] else 0.0
            words = f"{name}, {column or 'none'}: {counts[column]:,} of {drift.machines[column]:,}"
            shown = f"{100 * share:.0f}" if share >= 0.005 else ""
            ink = ";color:#fff" if share > 0.6 else ""
            style = f"background:rgba(var(--heat),{share:.3f}){ink}"
            cells.append(f'<td style="{style}" title="{escape(words)}">{shown}</td>')
        rows.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
    return (
        f"<section id=drift><h2>Drift by {escape(by)}</h2><p>Percentage of machines whose attribute differs from "
        f'the saved one, by {escape(by)} of observation.</p><table class="heat"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></section>"
    )


def _together(drift: Drift) -> str:
    rows = []
    for names, count in drift.together.most_common(8):
        words = ", ".join(names) or "nothing"
        rows.append(
            f'<tr><td><code>{escape(words)}</code></td><td class="n">{count:,}</td>'
            f'<td class="n">{_percent(count / max(1, drift.rows))}</td></tr>'
        )
    return (
        "<section id=together><h2>What changes together</h2><table><tr><th>attributes</th>"
        f'<th class="n">machines</th><th class="n">share</th></tr>{"".join(rows)}</table></section>'
    )


def _clusters(clones: Clones) -> str:
    rows = []
    for group in _first(clones):
        nodes = clones.nodes_of(group, _MOST_NODES)
        rest = f" and {len(group.rows) - _MOST_NODES:,} rows more" if len(group.rows) > _MOST_NODES else ""
        rows.append(
            f'<tr><td>{escape(group.kind)}</td><td class="n">{len(group.rows):,}</td>'
            f'<td class="nodes">{_codes(nodes)}{rest}</td><td>{escape(", ".join(group.ties))}</td>'
            f'<td class="{"bad" if group.reading in FINDINGS else ""}">{escape(READINGS[group.reading])}</td></tr>'
        )
    more = sum(len(groups) for groups in clones.groups) - len(rows)
    ending = f"<p>{more:,} groups more are in the answer of <code>fleet clones</code>.</p>" if more else ""
    pairs = ", ".join(f"{count:,} of {equal}" for equal, count in sorted(clones.pairs.items(), reverse=True))
    return (
        f"<section id=clones><h2>Clones</h2><p>Near-clones have {clones.needed} or more of {len(clones.attributes)} "
        f"attributes in common and different hardware IDs. Pairs by equal attributes: {escape(pairs or 'none')}.</p>"
        '<table><tr><th>in common</th><th class="n">rows</th><th>nodes</th><th>equal</th><th>reading</th></tr>'
        f"{''.join(rows)}</table>{ending}</section>"
    )


def _first(clones: Clones) -> list[Group]:
    """Return the groups of the page: findings first, then the others."""
    shown: list[Group] = []
    for wanted in (True, False):
        for groups in clones.groups:
            for number in range(len(groups)):
                if len(shown) == _MOST_CLUSTERS:
                    return shown
                if (groups.reading(number) in FINDINGS) == wanted:
                    shown.append(groups[number])
    return shown


def _codes(words: Iterable[str]) -> str:
    return " ".join(f"<code>{escape(word)}</code>" for word in words)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
