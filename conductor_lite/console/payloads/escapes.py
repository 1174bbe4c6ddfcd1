"""Quoted strings of JSON, Python and JavaScript: where they end, and what characters they stand for."""

import re

#: A string in either kind of quotes, from its first quote to its last.
QUOTED = r"""'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+\""""
#: The same, and in backticks.
QUOTED_OR_TEMPLATE = QUOTED + r"|`[^`\\]*+(?:\\.[^`\\]*+)*+`"

_HEX = r"[0-9a-fA-F]"
_ESCAPE = re.compile(
    rf"\\(?:u([dD][89abAB]{_HEX}{{2}})\\u([dD][c-fC-F]{_HEX}{{2}})"
    rf"|(?:u({_HEX}{{4}})|x({_HEX}{{2}})|U({_HEX}{{8}}))|(.))",
    re.DOTALL,
)
_NAMED = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "a": "\a",
    "0": "\0",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "`": "`",
    "/": "/",
}
_SURROGATES = range(0xD800, 0xE000)
_LAST_CODE = 0x10FFFF


def unquote(text: str) -> str:
    """The characters of a quoted string; escapes that stand for no character stay as they are.

    Args:
        text: with its quotes.
    """
    inner = text[1:-1]
    return _ESCAPE.sub(_character, inner) if "\\" in inner else inner


def _character(match: re.Match[str]) -> str:
    high, low, *codes, other = match.groups()
    if high is not None:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if other is not None:
        return _NAMED.get(other, match[0])
    code = int(next(digits for digits in codes if digits is not None), 16)
    # Half a character cannot be sent to a browser.
    return match[0] if code in _SURROGATES or code > _LAST_CODE else chr(code)
