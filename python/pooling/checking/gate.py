"""The diagnostics gate: stop if a fit failed its diagnostics without permission of its study.

`python -m pooling.checking.gate FIT/diagnostics.json... [-o .build/<study>/gate]`

It runs after all models are fitted, so that one message covers them all and says what to
change in the study.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

from pooling.build import cli
from pooling.build.files import replacing
from pooling.fits.convergence import GROUPS, has_failed, refuse_failed

Worst = tuple[float, str]  # a value and its parameter


def summary(found: dict) -> str:
    """One line per fit: whether it passed, and the worst diagnostics of posterior and prior."""
    state = "passed" if found["passed"] else "failed"
    if not found["passed"] and not has_failed(found):
        state += f", which the study allows ({found['allowed_to_fail']})"
    divergences = sum(found[group]["divergences"] for group in GROUPS)
    r_hat, at = _worst(found, ["r_hat"], max)
    ess, of = _worst(found, ["ess_bulk", "ess_tail"], min)
    return (
        f"{found['model']}: {state}; {divergences} divergences, "
        f"worst R-hat {r_hat:.3f} ({at}), least ESS {ess:,.0f} ({of})"
    )


def _worst(found: dict, checks: list[str], pick: Callable[[list[Worst]], Worst]) -> Worst:
    """Worst value of some checks and its parameter; NaN is the worst."""
    known = []
    for group in GROUPS:
        for worst in (found[group][check] for check in checks):
            where = worst["parameter"] + " of the prior" * (group == "prior")
            known.append((worst["value"], where))
    lost = [pair for pair in known if math.isnan(pair[0])]
    return lost[0] if lost else pick(known)


def main(arguments: list[str] | None) -> None:
    """Print one line per model and write it to the output; fail if a model failed."""
    parser = cli.parser(__doc__)
    parser.add_argument("diagnostics", type=Path, nargs="+", help="of models of one study")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args(arguments)
    all_found = [json.loads(path.read_text(encoding="utf-8")) for path in given.diagnostics]
    refuse_failed(all_found)
    lines = [summary(found) for found in all_found]
    print("\n".join(lines))
    if given.output:
        with replacing(given.output) as draft:
            draft.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
