"""The tokens of a C source, as a compiler's lexer cuts them: names, numbers, literals, operators.

Of C11 with GNU's extensions. Nothing is preprocessed: a directive's words are tokens, and no header
is read. So the verbs that only count need no compiler, and do not wait for one.
"""

from __future__ import annotations

import re

# Of several operators that begin alike the longest is a token, so the longest stand first. What is
# between digits and letters of a number belongs to it: 1.5e-3, 0x1p+4.
TOKEN = re.compile(
    rb"""
    \s+ | \\[ \t]*\n | /\*.*?(?:\*/|\Z) | //(?:\\\n|[^\n])*
    | (   (?:u8|[uUL])?"(?:\\.|[^"\\\n])*"?
        | [uUL]?'(?:\\.|[^'\\\n])*'?
        | [A-Za-z_$\x80-\xff][\w$\x80-\xff]*
        | \.?[0-9](?:[eEpP][+-]|[\w.])*
        | %:%: | \.\.\. | <<= | >>=
        | -> | \+\+ | -- | << | >> | && | \|\| | \#\# | <: | :> | <% | %> | %: | [-+*/%&|^<>=!]=
        | .
      )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(text: str) -> list[tuple[int, str]]:
    """Each token but comments: where it begins, in bytes of UTF-8, and its text."""
    found = TOKEN.finditer(text.encode())
    return [(token.start(), token[1].decode("utf-8", "replace")) for token in found if token[1]]
