"""strace(1) as a counter: system calls by name, of all threads of a program."""

from __future__ import annotations

from pathlib import Path


def counting(table: Path) -> tuple[str, ...]:
    """What stands before a command, so that its calls are counted into that file."""
    return ("strace", "-f", "-c", "-U", "name,calls", "-o", str(table), "--")


def calls(table: Path) -> dict[str, int]:
    """What was counted, by name."""
    rows = [line.split() for line in table.read_text().splitlines()]
    rows = [row for row in rows if len(row) == 2 and row[1].isdigit() and row[0] != "total"]
    return {name: int(number) for name, number in rows}
