"""A report as Markdown and as a page of HTML that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from sluice.evaluation.report import Report
from sluice.evaluation.view import Section, Table, sections

__all__ = ["to_html", "to_markdown"]

_TITLE = "Sluice: evaluation"

_STYLE = """
:root { color-scheme: light; --line: #d8dee6; --soft: #f5f7fa; --ink: #1a202c; --dim: #5a6675; }
body { font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; color: var(--ink); margin: 0;
  background: #fff; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 8px; }
h3 { font-size: 15px; margin: 20px 0 4px; }
p { max-width: 85ch; margin: 6px 0; color: var(--dim); }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 8px; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 10px 16px; min-width: 150px;
  background: var(--soft); }
.card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.card span { color: var(--dim); font-size: 13px; }
.wide { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--dim); vertical-align: bottom; white-space: normal; }
.w, .t { text-align: left; } td.t { white-space: normal; min-width: 30ch; }
tbody tr:hover { background: var(--soft); }
svg { max-width: 100%; height: auto; margin: 8px 0; }
details { border: 1px solid var(--line); border-radius: 8px; padding: 4px 14px; margin: 10px 0; }
summary { cursor: pointer; font-weight: 600; padding: 6px 0; }
"""


def to_markdown(report: Report) -> str:
    """For a terminal, a repository or a review."""
    lines = [f"# {_TITLE}", ""]
    for section in sections(report):
        lines += [f"{'#' * section.level} {_plain(section.title)}", ""]
        for note in section.notes:
            lines += [_plain(note), ""]
        for table in section.tables:
            if table.title:
                lines += [f"{'#' * (section.level + 1)} {_plain(table.title)}", ""]
            lines += [*_markdown_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(table: Table) -> list[str]:
    marks = ["---"] * table.left + ["---:"] * (len(table.columns) - table.left)
    head, *rows = ([_plain(cell) for cell in row] for row in (table.columns, *table.rows))
    return [f"| {' | '.join(row)} |" for row in (head, marks, *rows)]


def _plain(cell: str) -> str:
    """Text that shows as it is: that of others must not become markup."""
    return "".join(f"\\{c}" if c in "\\|`*_[]#~$!" else c for c in escape(cell, quote=False))


def to_html(report: Report, plots: Mapping[str, str]) -> str:
    """A page for a browser.

    Args:
        plots: SVG by the key of the section below whose text it goes.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        # Whatever a text may hold: nothing is run and nothing is fetched.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_TITLE}: {escape(report.file.name)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{_TITLE}</h1>",
        f"<p>{escape(report.file.name)}, profile {escape(report.settings.profile)}</p>",
        _cards(report),
    ]
    inside = False
    for section in sections(report):
        if section.level > 2 and not inside:
            parts.append("<h2>Target by target</h2>")
            if plots:
                parts.append("<p>On the curves a circle is where the profile flags, a square where it stops.</p>")
            inside = True
        parts.append(_html_section(section, plots.get(section.key, ""), opened=section.key == "target-any"))
    return "\n".join([*parts, "</main></body></html>", ""])


def _cards(report: Report) -> str:
    target = report.targets[0]
    found = list(target.detectors.values())[-1]
    figures = [
        ("harmful texts stopped", found.stop.recall.share, "%"),
        ("harmful texts flagged or stopped", found.flag.recall.share, "%"),
        ("clean texts stopped", found.stop.fpr.share, "%"),
        ("AUROC", found.auroc, ""),
    ]
    cards = [
        f'<div class="card"><b>{f"{100 * value:.1f} %" if unit else f"{value:.3f}"}</b><span>{name}</span></div>'
        for name, value, unit in figures
        if value is not None
    ]
    if report.streams is not None and report.streams.groups[0].stopped:
        leaked = report.streams.groups[0].leaked
        cards.append(f'<div class="card"><b>{leaked:,}</b><span>stopped streams that leaked</span></div>')
    return f'<div class="cards">{"".join(cards)}</div>'


def _html_section(section: Section, plot: str, *, opened: bool) -> str:
    body = [*(f"<p>{escape(note)}</p>" for note in section.notes), plot, *map(_html_table, section.tables)]
    if section.level > 2:
        state = " open" if opened else ""
        return f"<details{state}><summary>{escape(section.title)}</summary>{''.join(body)}</details>"
    return f'<section id="{escape(section.key)}"><h2>{escape(section.title)}</h2>{"".join(body)}</section>'


def _html_table(table: Table) -> str:
    def row(cells: list[str], tag: str) -> str:
        made = []
        for place, cell in enumerate(cells):
            kind = "n" if place >= table.left else "t" if table.columns[place] == "text" else "w"
            made.append(f'<{tag} class="{kind}">{escape(cell)}</{tag}>')
        return f"<tr>{''.join(made)}</tr>"

    title = f"<h3>{escape(table.title)}</h3>" if table.title else ""
    head = f"<thead>{row(table.columns, 'th')}</thead>" if any(table.columns) else ""
    rows = "".join(row(cells, "td") for cells in table.rows)
    return f'{title}<div class="wide"><table>{head}<tbody>{rows}</tbody></table></div>'
