"""The gate: stop where a fit failed its diagnostics and its study does not allow it to.

`python -m pooling.gate FIT/diagnostics.json... [-o .build/<study>/gate]`

It looks at all models at once, after all are fitted, so that one message says what is
wrong with which of them and what to change in the study. Fits are kept whatever it says.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from pooling import cli
from pooling.errors import DiagnosticsError
from pooling.files import replacing
from pooling.study import PRIOR_ADAPT_DELTA, study_file

GROUPS = ("posterior", "prior")
STEPS = (0.95, 0.99, 0.999)  # adapt_delta to try, one after the other
MAX_DIVERGENT_SHARE = 0.01  # of transitions; more are not cured by smaller steps
MOST = 20  # times as many draws as now, at most
DEEPEST, LONGEST = 20, 1_000_000  # what a study may ask for
GEOMETRY = (
    "no setting is likely to help; write the program in another geometry (centered, "
    "non-centered, or with county effects integrated out) or give narrower priors"
)


def has_failed(found: dict) -> bool:
    """Whether a fit failed its diagnostics and its study does not allow it to.

    Parameters
    ----------
    found
        Diagnostics of one model, as `pooling.check` writes them.
    """
    return not found["passed"] and found["allowed_to_fail"] is None


def failures(found: dict) -> Iterator[tuple[str, str]]:
    """Group and name of each check that a fit failed."""
    for group in GROUPS:
        for check, passed in found[group]["checks"].items():
            if not passed:
                yield group, check


def settings_to_try(found: dict) -> dict[str, float]:
    """Settings of [sampler] that are likely to help a fit, with their values; none if none is."""
    now, wanted = found["sampler"], {}
    for group, check in failures(found):
        at, draws = found[group], "prior_draws" if group == "prior" else "draws"
        tries: dict[str, float] = {}
        if check == "divergences":
            used = max(now["adapt_delta"], PRIOR_ADAPT_DELTA if group == "prior" else 0)
            few = at["divergences"] <= MAX_DIVERGENT_SHARE * at["chains"] * at["draws"]
            tries = {"adapt_delta": next((step for step in STEPS if step > used and few), 0)}
        elif check == "treedepth_hits":
            tries = {"max_treedepth": min(now["max_treedepth"] + 2, DEEPEST)}
        elif check == "r_hat":
            tries = {name: min(2 * now[name], LONGEST) for name in ("warmup", draws)}
        elif check in ("ess_bulk", "ess_tail"):
            times = _times(at[check]["value"], found["limits"][check])
            tries = {draws: min(times * now[draws], LONGEST)}
        if not any(value > now[name] for name, value in tries.items()):
            return {}
        wanted |= {name: max(value, wanted.get(name, 0)) for name, value in tries.items()}
    return wanted


def _times(value: float, needed: float) -> int:
    """How many times as many draws should have enough effective ones, and half of them to spare."""
    # The worst value may be no number at all.
    return int(min(MOST, max(2, -(-1.5 * needed // value)))) if value > 0 else 2


def refuse_failed(all_found: Sequence[dict]) -> None:
    """Refuse fits that failed and are not allowed to.

    Parameters
    ----------
    all_found
        Diagnostics of models of one study.

    Raises
    ------
    DiagnosticsError
        Says first what to change in the study, for each model, then what failed.
    """
    bad = [found for found in all_found if has_failed(found)]
    if not bad:
        return
    study, names = bad[0]["study"], [found["model"] for found in bad]
    which = names[0] if len(all_found) == 1 else f"{len(bad)} of {len(all_found)} models"
    good = [found["model"] for found in all_found if not has_failed(found)]
    rest = ", ".join(f'"{name}"' for name in good) or "the models that you want"
    lines = [f"study {study}: {which} failed the diagnostics. In {study_file(study)}"]
    lines += [f"  - for {found['model']}, {_advice(found)}" for found in bad]
    lines += [
        f"  - or leave out what failed: use = [{rest}] under [models]",
        f'  - or show it all the same: {names[0]} = "why" under [models.allowed_to_fail]',
        "What failed (all fits are kept):",
    ]
    lines += [f"  - {line}" for found in bad for line in _details(found)]
    raise DiagnosticsError("\n".join(lines))


def _advice(found: dict) -> str:
    now, wanted = found["sampler"], settings_to_try(found)
    if not wanted:
        return GEOMETRY
    settings = [f"{name} = {value} (now {now[name]})" for name, value in wanted.items()]
    return f"set {', '.join(settings)} under [sampler]"


def _details(found: dict) -> Iterator[str]:
    for group, check in failures(found):
        value, limit = found[group][check], found["limits"][check]
        bound = "at least" if check in ("e_bfmi", "ess_bulk", "ess_tail") else "at most"
        where = ""
        if isinstance(value, dict):
            value, where = value["value"], f" at {value['parameter']}"
        yield f"{found['model']}, {group}: {check} = {value:.4g}{where} ({bound} {limit:g})"


def summary(found: dict) -> str:
    """One line of a fit: whether it passed, and its worst numbers in posterior and prior."""
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


def _worst(found: dict, checks: list[str], pick: type[max]) -> tuple[float, str]:
    """Worst value of some checks and its parameter; what is no number is the worst."""
    known = []
    for group in GROUPS:
        for worst in (found[group][check] for check in checks):
            where = worst["parameter"] + " of the prior" * (group == "prior")
            known.append((worst["value"], where))
    lost = [pair for pair in known if math.isnan(pair[0])]
    return lost[0] if lost else pick(known)


def main(arguments: list[str] | None) -> None:
    """Print a line for each model, and fail if any failed; the output says who passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
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
