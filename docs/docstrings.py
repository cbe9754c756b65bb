"""What docstrings write in Sphinx's and Python's way, as the site's Markdown has it."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`(~?)([\w.]+)`")
_DOCTEST = re.compile(r"^( *)(>>> .*(?:\n *\S.*)*)", re.MULTILINE)
_LITERAL = re.compile(r" ?::$", re.MULTILINE)


class Docstrings(griffe.Extension):  # type: ignore[misc]
    """Makes links of roles, code of doctests, and formulas of literal blocks."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            text = _DOCTEST.sub(r"\1```pycon\n\1\2\n\1```", obj.docstring.value)
            obj.docstring.value = _LITERAL.sub(":", _ROLE.sub(_link, text))


def _link(role: "re.Match[str]") -> str:
    short, target = role.groups()
    text = target.rsplit(".", 1)[-1] if short else target
    return f'<autoref optional identifier="{target}"><code>{text}</code></autoref>'
