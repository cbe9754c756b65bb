"""Names and messages as text that Markdown and LaTeX print as it is."""

from __future__ import annotations

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # would be an option of the line break before it
        "]": "{]}",
        "&": r"\&",
        "%": r"\%",
        "_": r"\_",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "±": r"$\pm$",
        "\N{MINUS SIGN}": "$-$",
        "\N{NO-BREAK SPACE}": "~",
    }
)

#: What would end a cell, or begin code, emphasis or HTML.
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|`*<"})


def latex(text: str) -> str:
    r"""Text as LaTeX prints it.

    >>> latex("50% & \\x^2")
    '50\\% \\& \\textbackslash{}x\\textasciicircum{}2'
    """
    return one_line(text).translate(_LATEX)


def markdown(text: str) -> str:
    r"""Text as a cell of a Markdown table prints it.

    >>> markdown("a|b")
    'a\\|b'
    """
    return one_line(text).translate(_MARKDOWN)


def one_line(text: str, most: int | None = None) -> str:
    r"""Text in one line without control characters.

    Args:
        text: May have any.
        most: Characters that are kept; all by default.

    >>> one_line("a message\n  of \x1b[31m lines", most=20)
    'a message of ?[31...'
    """
    # Not all of str.split's white space: a no-break space is to stay.
    line = " ".join(part for part in text.replace("\t", " ").splitlines() if part.strip())
    line = "".join(c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else "?" for c in line)
    while "  " in line:
        line = line.replace("  ", " ")
    return line if most is None or len(line) <= most else f"{line[: most - 3]}..."
