"""Draw the dependency graph of make's rules as an SVG.

`make -npr all | python -m pooling.workflow.graph MODEL -o graph.svg`

A box is a stage with its output files; an arrow leads to a stage that reads one of them. One
model represents all, and the figures share a box.
"""

import re
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path

from pooling.build import cli
from pooling.build.errors import SetupError
from pooling.build.files import replacing

RULE = re.compile(r"([^#\s=:][^=:#]*?) ?&?: ([^=|]*)(?:\|.*)?")
CODE = ".build/code/"
FIGURES, PAGE = "figures", "index.html"
WIDTH, HEIGHT, ACROSS, DOWN = 170, 50, 210, 70  # size of a box and distance between boxes, px


def stages(lines: Iterable[str], model: str, page: str) -> tuple[dict[str, set[str]], dict]:
    """Outputs and inputs of each stage that a page depends on.

    Parameters
    ----------
    lines
        Make's database of rules.
    model
        The model that is drawn.
    page
        Suffix of the page's name.
    """
    rules: dict[str, tuple[str, list[str]]] = {}
    for line in lines:
        if rule := RULE.fullmatch(line.rstrip()):
            targets, names = (words.replace("%", model).split() for words in rule.groups())
            code = [name.removeprefix(CODE) for name in names if name.startswith(CODE)]
            if code and not code[0].startswith("workflow/") and _is_drawn(targets[0], model):
                stage = FIGURES if code[0].startswith("figures/") else code[0]
                rules |= dict.fromkeys(targets, (stage, names))
    makes: dict[str, set[str]] = {}
    reads: dict[str, set[str]] = {}
    waiting = [name for name in rules if name.endswith(page)]
    while waiting:
        name = waiting.pop()
        stage, names = rules[name]
        if name not in makes.setdefault(stage, set()):
            makes[stage].add(name)
            reads.setdefault(stage, set()).update(n for n in names if n in rules)
            waiting += [n for n in names if n in rules]
    return makes, reads


def _is_drawn(target: str, model: str) -> bool:
    one_of_many = re.search(r"(?:data/fits/[^/]+/|^stan/)([^/]+)", target)
    return not one_of_many or one_of_many[1] == model


def arrows(makes: dict[str, set[str]], reads: dict[str, set[str]]) -> dict[str, set[str]]:
    """Direct predecessors of each stage, without those implied by others."""
    maker = {name: stage for stage, names in makes.items() for name in names}
    direct = {stage: {maker[name] for name in names} - {stage} for stage, names in reads.items()}

    def earlier(stage: str) -> set[str]:
        return direct[stage].union(*map(earlier, direct[stage]))

    return {stage: near.difference(*map(earlier, near)) for stage, near in direct.items()}


def columns(before: dict[str, set[str]]) -> dict[str, int]:
    """Length of the longest chain of predecessors of each stage."""
    found: dict[str, int] = {}
    while waiting := [stage for stage in before if stage not in found]:
        for stage in waiting:
            if before[stage] <= found.keys():
                found[stage] = max((found[other] + 1 for other in before[stage]), default=0)
    return found


def draw(makes: dict[str, set[str]], before: dict[str, set[str]]) -> str:
    """The SVG, with each stage to the right of all its inputs."""
    column = columns(before)
    rows = {c: sorted(s for s in column if column[s] == c) for c in set(column.values())}
    tallest = max(map(len, rows.values()))
    place = {
        stage: (c * ACROSS + 10, (tallest - len(here)) * DOWN // 2 + row * DOWN + 10)
        for c, here in rows.items()
        for row, stage in enumerate(here)
    }
    lines = []
    for stage, others in sorted(before.items()):
        x, y = place[stage]
        for a, b in (place[other] for other in sorted(others)):
            start, end = (a + WIDTH, b + HEIGHT // 2), (x, y + HEIGHT // 2)
            bend = f"C{start[0] + 30},{start[1]} {end[0] - 30},{end[1]} {end[0]},{end[1]}"
            lines.append(f'<path d="M{start[0]},{start[1]} {bend}"/>')
    for stage, (x, y) in place.items():
        files = sorted({Path(name).name for name in makes[stage]})
        shown = ", ".join(files[:2]) + (f", ... ({len(files)})" if len(files) > 2 else "")
        if stage == FIGURES:
            shown = f"{len({Path(name).stem for name in files})} figures"
        lines.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>')
        for text, below, style in ((stage, 20, "font-weight:bold"), (shown, 37, "font-size:8px")):
            where = f'x="{x + WIDTH // 2}" y="{y + below}" style="{style}"'
            lines.append(f"<text {where}>{escape(text)}</text>")
    width, height = len(rows) * ACROSS - ACROSS + WIDTH + 20, tallest * DOWN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
            "<title>Dependencies of the stages</title>",
            "<style>path{fill:none;stroke:#999}rect{fill:#f4f4f4;stroke:#333}"
            "text{font:11px sans-serif;text-anchor:middle}</style>",
            *lines,
            "</svg>\n",
        ]
    )


def main(arguments: list[str] | None) -> None:
    """Draw the rules given on standard input."""
    parser = cli.parser(__doc__)
    parser.add_argument("model", help="the model that is drawn")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    makes, reads = stages(sys.stdin, given.model, PAGE)
    if not makes:
        raise SetupError("make printed no rules; run `make all` to see why")
    with replacing(given.output) as draft:
        draft.write_text(draw(makes, arrows(makes, reads)), encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
