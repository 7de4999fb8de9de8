"""The scripts of the county explorer: Vega, which draws its charts, and the page's own.

    python -m pooling.reporting.charts CHART.vg.json... SCRIPT.js... -o explorer.js --vega vega.js

Vega comes with the package vl-convert-python, so the report needs nothing from outside. A chart
is a Vega specification, `explorer.<name>.vg.json`; the page's scripts share one scope.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import vl_convert

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.build.files import replacing
from pooling.reporting.explorer import script


def read_chart(path: Path) -> tuple[str, dict]:
    """Name and specification of a chart.

    Raises
    ------
    DataError
        The file is not JSON.
    """
    try:
        return path.name.split(".")[-3], json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not a Vega specification: {error}; correct it") from None


def together(sources: Sequence[Path]) -> str:
    """Charts, then all scripts in one scope, in their order."""
    charts = [read_chart(path) for path in sources if path.suffix == ".json"]
    scripts = [path.read_text(encoding="utf-8") for path in sources if path.suffix == ".js"]
    return "\n".join(
        [script("charts", dict(charts)), '(() => {\n"use strict";', *scripts, "})();\n"]
    )


def main(arguments: list[str] | None) -> None:
    """Write both scripts."""
    parser = cli.stage(__doc__, many="sources")
    parser.add_argument("--vega", type=Path, required=True, help="the second output")
    args = parser.parse_args(arguments)
    outputs = {
        args.vega: vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        args.output: together(args.sources),
    }
    for path, text in outputs.items():
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
