"""The report as one HTML file that needs no network and runs nothing of what a run's files say."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.report.run import read_contents
from lightning_lossmeta.report.sections import sections

FILE = "report.html"
_TEMPLATES = resources.files("lightning_lossmeta.report") / "templates"


class MissingChartsError(OSError):
    """The libraries that draw a report are not installed; says how to install them."""


def check_charts() -> None:
    """Refuse early if a report can't be drawn.

    Raises:
        MissingChartsError: If the extra ``report`` is not installed.
    """
    missing = [name for name in ("jinja2", "vl_convert") if find_spec(name) is None]
    if missing:
        raise MissingChartsError(
            f"Expected the packages that draw a report, but there is no {' and no '.join(missing)}"
            ": pip install 'lightning-lossmeta[report]'."
        )


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a search or comparison.

    Args:
        folder: The folder of the run.
        out: The file to write; ``report.html`` in the run's folder by default.

    Returns:
        The file that was written.

    Raises:
        NoRunError: If the folder is no run's.
        MissingChartsError: If the extra ``report`` is not installed.
        OSError: If the file can't be written.
    """
    check_charts()
    text = _html(sections(read_contents(folder)))
    path = folder / FILE if out is None else out
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    return path


def _html(content: Mapping[str, Any]) -> str:
    """The page; its policy lets the one script run that is ours, and nothing load."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        **content,
        specs=json.dumps(_specs(content), allow_nan=False, separators=(",", ":")).translate(_INERT),
        style=_template("report.css"),
        script=script,
        digest=digest,
        made=f"{datetime.now().astimezone():%Y-%m-%d %H:%M}",
        release=version("lightning-lossmeta"),
    )


#: What could end a script's element, as JSON writes it in texts.
_INERT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def _specs(content: Mapping[str, Any]) -> dict[str, Any]:
    return {chart.key: chart.spec for chart in content["charts"]}


@cache
def _script() -> str:
    """Vega-Embed with all that it needs, and the lines that draw the charts."""
    import vl_convert

    return "\n" + vl_convert.javascript_bundle(_template("report.js")) + "\n"


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")
