"""The HTML of a payload's tree. A template says the same, but takes several times as long over it.

What stands around a tree is in ``templates/_payload.html``.
"""

from collections.abc import Callable
from html import escape

import msgspec

from conductor_lite.console.formatting import one_line
from conductor_lite.console.payloads.tree import Entry, Node, summary
from conductor_lite.wording import count, plural

#: Unfolded at first are values down to this level that have no more entries than that.
_OPEN_LEVELS = 3
_OPEN_ENTRIES = 60
_GIST_LENGTH = 80
#: Characters of a text beside its key; a longer one is folded, and shown up to a limit.
_LINE_CHARS = 400
_TEXT_CHARS = 20_000
_REST = f'<p class="more">The first {count(_TEXT_CHARS)} characters; the download has all.</p>'


def tree_markup(root: Node) -> str:
    """A tree as items of a list, each with what is in it; whatever the payload says is escaped."""
    parts: list[str] = []
    _write(parts.append, "", root, 0)
    return "".join(parts)


def _write(write: Callable[[str], None], key: str, node: Node, level: int) -> None:
    if not node.entries:
        write(f"<li>{key}{_empty(node) if node.is_collection else _leaf(node)}</li>")
        return
    state = " open" if level < _OPEN_LEVELS and len(node.entries) <= _OPEN_ENTRIES else ""
    write(f'<li><details{state}><summary>{key}<span class="size">{escape(_size(node))}</span> ')
    write(f'<span class="gist">{escape(_gist(node))}</span></summary><ul>')
    for entry in node.entries:
        _write(write, _key(entry), entry.value, level + 1)
    if node.truncated:
        write(f'<li class="more">{escape(node.truncated)}</li>')
    write("</ul></details></li>")


def _key(entry: Entry) -> str:
    return "" if entry.key is None else f'<span class="key">{escape(entry.label)}</span> '


def _gist(node: Node) -> str:
    """A value on one line, for when it is folded; `_size` says of which class it is."""
    named = node.entries and node.type_name
    return summary(msgspec.structs.replace(node, type_name="") if named else node, _GIST_LENGTH)


def _size(node: Node) -> str:
    """How much is in a value, and of which class it is: ``Order 3 entries``."""
    named = node.entries[0].key is not None
    entries = len(node.entries)
    words = plural(entries, "entry", "entries") if named else plural(entries, "item")
    return f"{node.type_name} {words}" if node.type_name else words


def _empty(node: Node) -> str:
    return f'<span class="val">{escape(_gist(node))}</span>'


def _leaf(node: Node) -> str:
    if len(node.text) > _LINE_CHARS:
        return _long(node)
    named = f'<span class="type">{escape(node.type_name)}</span> ' if node.type_name else ""
    quote = "'" if node.kind == "string" else ""
    rest = f' <span class="more">{escape(node.truncated)}</span>' if node.truncated else ""
    return f'<span class="val val-{node.kind}">{named}{quote}{escape(node.text)}{quote}</span>{rest}'


def _long(node: Node) -> str:
    kind, text = node.kind, node.text
    head = (
        f'<summary><span class="size">{plural(len(text), "character")}</span> '
        f'<span class="gist val-{kind}">{escape(one_line(text, 80))}</span></summary>'
    )
    rest = _REST if len(text) > _TEXT_CHARS else ""
    return f'<details>{head}<pre class="val-{kind}">{escape(text[:_TEXT_CHARS])}</pre>{rest}</details>'
