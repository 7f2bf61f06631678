"""A section of one of the project's documents as HTML: its paragraphs and its tables."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

from web.sentence import linked

LINK = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])?")  # a page has not the file it leads to


def section(path: Path, heading: str) -> Markup:
    """What stands below the heading; empty: the file has none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError):
        return Markup("")
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    body = found[1] if found else ""
    return Markup("\n").join(block(part) for part in body.split("\n\n") if part.strip())


def block(text: str) -> Markup:
    lines = text.strip().splitlines()
    if lines[0].startswith("```"):
        return Markup('<pre tabindex="0">{}</pre>').format("\n".join(lines[1:-1]))
    if lines[0].startswith("- "):
        items = re.split(r"\n- ", text.strip().removeprefix("- "))
        return Markup("<ul>{}</ul>").format(
            Markup("").join(
                Markup("<li>{}</li>").format(inline(" ".join(one.split()))) for one in items
            )
        )
    if all(line.startswith("|") for line in lines):
        return table(lines)
    if any(line.startswith("[") and "]: " in line for line in lines):
        return Markup("")  # where links lead
    return Markup("<p>{}</p>").format(inline(" ".join(lines)))


def table(lines: list[str]) -> Markup:
    head, rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    kinds = ["number" if cell.endswith(":") else "" for cell in rule]
    cells = Markup("").join(
        Markup('<th scope="col" class="{}">{}</th>').format(k, inline(c))
        for k, c in zip(kinds, head)
    )
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td class="{}">{}</td>').format(k, inline(c)) for k, c in zip(kinds, row)
            )
        )
        for row in rows
    )
    return Markup(
        '<div class="scroll" tabindex="0"><table class="taken">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(cells, body)


def inline(text: str) -> Markup:
    """Code in backquotes stays code, text between * is emphasized, and a link becomes its words."""
    parts = text.split("`")
    made = (
        f"<code>{escape(part)}</code>" if n % 2 else str(linked(LINK.sub(r"\1", part)))
        for n, part in enumerate(parts)
    )
    bold = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", "".join(made))
    return Markup(re.sub(r"(?<![\w*/])\*(\w[^*]*)\*(?![\w*])", r"<em>\1</em>", bold))
