"""What every program in `stan/` takes and gives, checked with `stanc --info` before compiling.

The contract is described in `stan/README.md`.
"""

import json
import subprocess
from pathlib import Path

from pooling.errors import ProgramError

OLD_SWITCHES = ("held_out", "prior_only", "pointwise")
TO_PREDICT = ("N_new", "county_new", "floor_measure_new", "log_radon_new")
PRIOR_PARTS = {
    "alpha beta mu_alpha mu_beta gamma_alpha gamma_beta delta_alpha": "loc scale",
    "sigma sigma_alpha sigma_beta sigma_alpha_state sigma_beta_state": "scale upper",
    "rho": "shape",
    "nu": "shape rate",
}
OPTIONAL = {"log_uranium", "S", "state"}
INPUTS = {"N", "J", "county", "floor_measure", "log_radon", "first_floor_share", *TO_PREDICT}
PRIORS = {
    f"prior_{parameter}_{part}"
    for parameters, parts in PRIOR_PARTS.items()
    for parameter in parameters.split()
    for part in parts.split()
}
INPUTS |= OPTIONAL | PRIORS
LISTS = {"county", "floor_measure", "log_radon", "log_uranium", "first_floor_share", "state"}
LISTS |= set(TO_PREDICT) - {"N_new"}
OUTPUTS = {"alpha": (1,), "beta": (1,), "sigma": (0, 1), "log_lik": (1,), "y_rep": (1,)}
OPTIONAL_OUTPUTS = {"lprior": (0,), "log_lik_county": (1,)}
SHAPES = {0: "a number", 1: "a vector"}


def program_info(stanc: Path, program: Path, include_folder: Path) -> dict:
    """What `stanc --info` says of a program: inputs, parameters, outputs with their dimensions.

    Raises
    ------
    ProgramError
        The program has an error; the message is stanc's own, with file and line.
    """
    run = subprocess.run(
        [stanc, "--info", f"--include-paths={include_folder}", program],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise ProgramError(f"{program} does not compile\n{(run.stderr or run.stdout).strip()}")
    return json.loads(run.stdout)


def check_contract(info: dict, program: Path) -> None:
    """Check a program's inputs and outputs.

    Raises
    ------
    ProgramError
        Naming everything that is missing, unknown or of the wrong shape.
    """
    outputs = info["parameters"] | info["transformed parameters"] | info["generated quantities"]
    old = [name for name in OLD_SWITCHES if name in info["inputs"]]
    faults = []
    if old:
        faults.append(
            f"its data `{', '.join(old)}` belong to the contract before this one: fit all N houses "
            "in the model block, without a switch, and predict the N_new houses of county_new, "
            "floor_measure_new and log_radon_new in generated quantities; see stan/pooled.stan"
        )
    faults += [
        f"its data block lacks `{name}`, so it cannot predict houses"
        for name in TO_PREDICT
        if name not in info["inputs"]
    ]
    faults += [
        f"no table or study provides its data `{name}`"
        for name in info["inputs"]
        if name not in INPUTS and name not in old
    ]
    faults += [
        f"its data `{name}` must be {'an array or a vector' if name in LISTS else 'a number'}"
        for name, declared in info["inputs"].items()
        if name in INPUTS and declared["dimensions"] != int(name in LISTS)
    ]
    for name, dimensions in (OUTPUTS | OPTIONAL_OUTPUTS).items():
        if name not in outputs:
            if name in OUTPUTS:
                faults.append(f"it does not put out `{name}`")
        elif outputs[name]["dimensions"] not in dimensions:
            wanted = " or ".join(SHAPES[d] for d in dimensions)
            faults.append(f"its `{name}` must be {wanted}")
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ProgramError(f"{program} breaks the contract of stan/README.md:\n{listed}")
