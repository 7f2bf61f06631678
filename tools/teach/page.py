"""A sheet as one HTML file: its text, and below each command what that command printed."""

from __future__ import annotations

import html
import re
from pathlib import Path

import markdown

from harness.panels import printable
from teach.source import Run, Source, mark_of

STYLE = Path(__file__).with_name("style.css")


def document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n"
        f"<style>\n{STYLE.read_text('utf-8')}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def of_run(run: Run, output: str, wrong: list[str]) -> str:
    shown = html.escape("\n".join(printable(line) for line in run.shown(output)))
    notes = "".join(f'<p class="wrong">{html.escape(printable(why))}</p>' for why in wrong)
    return (
        f'<div class="run"><pre class="command"><code>{html.escape(run.command)}</code></pre>'
        f"<pre><code>{shown}</code></pre>{notes}</div>"
    )


def of_labels(labels: list[str]) -> str:
    return "".join(f'<p class="write"><span>{html.escape(label)}</span></p>' for label in labels)


def title_of(source: Source) -> str:
    found = re.search(r"^# +(.+)$", source.text, re.MULTILINE)
    return found[1] if found else source.path.stem


def of_sheet(source: Source, outputs: dict[str, tuple[str, list[str]]]) -> str:
    """`outputs` has, for each place, what the command printed and what is wrong with it."""
    body = markdown.markdown(source.text, extensions=["tables", "fenced_code"])
    for number, block in enumerate(source.blocks):
        part = of_run(block, *outputs[block.place]) if isinstance(block, Run) else of_labels(block)
        body = body.replace(f"<p>{mark_of(number)}</p>", part)
    return document(title_of(source), body.replace("<table>", '<div class="scroll"><table>')
                    .replace("</table>", "</table></div>"))  # fmt: skip


def of_index(sheets: list[tuple[str, str]]) -> str:
    """The first page: file and title of each sheet."""
    links = "\n".join(
        f'<li><a href="{html.escape(name)}">{html.escape(title)}</a></li>' for name, title in sheets
    )
    return document("The lessons", f"<h1>The lessons</h1>\n<ul>\n{links}\n</ul>")
