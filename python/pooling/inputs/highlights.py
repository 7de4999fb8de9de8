r"""Reject counties that figures highlight but the study lacks, before any model is fitted.

    python -m pooling.inputs.highlights FIGURES.json COORDS.json --study STUDY.toml \
        -o .build/<study>/highlights

The output lists the highlighted counties.
"""

import json
from collections.abc import Collection
from pathlib import Path

from pooling.build import cli
from pooling.build.errors import StudyError
from pooling.build.files import replacing
from pooling.inputs.sections import line_of
from pooling.inputs.study import Figures, read_section

FEW = 12  # counties that a message lists by name


def by_setting(figures: Figures) -> dict[str, list[int]]:
    """Codes of the counties that each setting of [figures] names."""
    funnel = [] if figures.funnel is None else [figures.funnel]
    return {"lines": figures.lines, "panels": figures.panels, "funnel": funnel}


def refuse_unknown(figures: Figures, counties: Collection[int], study: Path) -> None:
    """Reject codes that are not among the study's `counties`.

    Raises
    ------
    StudyError
        Names each such code with its setting and the line of the study file.
    """
    text = study.read_text(encoding="utf-8-sig")
    wrong = []
    for setting, codes in by_setting(figures).items():
        for code in codes:
            if code not in counties:
                line = line_of(text, "figures", setting, code)
                where = f"line {line}: " if line else ""
                wrong.append(f"  - {where}figures.{setting}: {code}")
    if wrong:
        known = ", ".join(map(str, sorted(counties))) if len(counties) <= FEW else "in its table"
        raise StudyError(
            f"{study}: [figures] names counties that the study does not have:\n"
            + "\n".join(wrong)
            + f"\nCorrect or remove them. The study's counties are {known}; those without houses "
            "are included only with unmeasured_counties = true under [data]"
        )


def main(arguments: list[str] | None) -> None:
    """Check one study's [figures]."""
    parser = cli.stage(__doc__, "figures", "coords")
    parser.add_argument("--study", type=Path, required=True, help="study file")
    given = parser.parse_args(arguments)
    figures = read_section(Figures, given.figures)
    coords = json.loads(given.coords.read_text(encoding="utf-8"))
    refuse_unknown(figures, set(coords["county_fips"]), given.study)
    with replacing(given.output) as draft:
        draft.write_text(json.dumps(by_setting(figures)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
