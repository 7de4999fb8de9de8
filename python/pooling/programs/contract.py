"""The inputs and outputs of every program, checked with `stanc --info` before compiling.

stan/README.md describes this contract.
"""

import json
import re
import subprocess
from pathlib import Path

from pooling.build.errors import ProgramError
from pooling.inputs.priors import DATA_NAME, KINDS, read_of
from pooling.programs.source import LEXEME

OLD_SWITCHES = ("held_out", "prior_only", "pointwise")
TO_PREDICT = ("N_new", "county_new", "floor_measure_new", "log_radon_new")
OPTIONAL = {"log_uranium", "log_limit", "distance", "S", "state"}
INPUTS = {"N", "J", "county", "floor_measure", "log_radon", "first_floor_share", *TO_PREDICT}
INPUTS |= OPTIONAL
LISTS = {"county", "floor_measure", "log_radon", "log_uranium", "first_floor_share", "state"}
LISTS |= set(TO_PREDICT) - {"N_new"}
IN_SHAPES = dict.fromkeys(LISTS, 1) | {"distance": 2}  # dimensions of data other than numbers
OUTPUTS = {"alpha": (1,), "beta": (1,), "sigma": (0, 1), "log_lik": (1,), "y_rep": (1,)}
SIGMA_BY_FLOOR = {"sigma_basement": (0,), "sigma_first_floor": (0,)}  # in place of sigma
OPTIONAL_OUTPUTS = {"lprior": (0,), "log_lik_county": (1,)}
SHAPES = {0: "a number", 1: "a vector"}
DATA_SHAPES = {0: "a number", 1: "an array or a vector", 2: "a matrix"}

# Words that only some supported releases of Stan reserve; the others are syntax errors anyway.
# Source: "Reserved names" in the Stan Reference Manual from 2.27 on; each word was also tested as
# the name of an argument with stanc 2.27, 2.35, 2.37, 2.39 and 2.40.
TYPES = (
    "array tuple complex complex_vector complex_row_vector complex_matrix sum_to_zero_vector "
    "sum_to_zero_matrix row_stochastic_matrix column_stochastic_matrix"
)
RESERVED = {
    "newer releases of Stan": f"{TYPES} lower upper offset multiplier generated transformed "
    "quantities fatal_error jacobian",
    "older releases of Stan": "STAN_MAJOR STAN_MATH_MAJOR STAN_MATH_MINOR alignas alignof and "
    "and_eq asm bitand bitor bool case catch char char16_t char32_t class compl const const_cast "
    "constexpr decltype default delete do double dynamic_cast enum explicit float friend fvar "
    "get_lp goto increment_log_prob inline long mutable namespace new noexcept not not_eq nullptr "
    "operator or or_eq private protected public register reinterpret_cast short signed sizeof "
    "static_assert static_cast switch template this thread_local throw try typeid typename union "
    "unsigned using virtual volatile wchar_t xor xor_eq",
}
RESERVING = {word: releases for releases, words in RESERVED.items() for word in words.split()}


def program_info(stanc: Path, program: Path, include_folder: Path) -> dict:
    """Output of `stanc --info`: a program's inputs, parameters and outputs with dimensions.

    Raises
    ------
    ProgramError
        A name is a reserved word of another release, or the program has an error, for which
        the message is stanc's.
    """
    refuse_reserved_names(program, include_folder)
    run = subprocess.run(
        [stanc, "--info", f"--include-paths={include_folder}", program],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise ProgramError(f"{program} does not compile\n{(run.stderr or run.stdout).strip()}")
    return json.loads(run.stdout)


def refuse_reserved_names(source: Path, include_folder: Path) -> None:
    """Reject names, also in included files, that some supported release of Stan reserves.

    Raises
    ------
    ProgramError
        Names each such word once per file, with its line.
    """
    faults, waiting, seen = [], [source], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen or not path.is_file():
            continue  # stanc reports missing files
        seen.add(path)
        text = path.read_text(encoding="utf-8", errors="replace")
        waiting += [
            include_folder / (match["quoted"] or match["angled"] or match["bare"] or "")
            for match in LEXEME.finditer(text)
            if match["include"]
        ]
        faults += [
            f"{path}, line {line}: the name `{word}` is a reserved word in {RESERVING[word]}; "
            "use another name"
            for word, line in _reserved_names(text).items()
        ]
    if faults:
        raise ProgramError("\n".join(faults))


def _reserved_names(text: str) -> dict[str, int]:
    """Reserved words that a source uses as names, each with the line of its first use."""
    code = LEXEME.sub(
        lambda match: match[0] if match["other"] else re.sub(r"[^\n]", " ", match[0]), text
    )
    tokens = list(re.finditer(r"\w+|[^\w\s]", code))
    words = ["", *(token[0] for token in tokens), ""]
    found: dict[str, int] = {}
    for token, before, after in zip(tokens, words, words[2:], strict=False):
        if token[0] in RESERVING and _is_name(token[0], before, after):
            found.setdefault(token[0], code.count("\n", 0, token.start()) + 1)
    return found


def _is_name(word: str, before: str, after: str) -> bool:
    """Whether a reserved word between these two tokens is a name and not Stan's own syntax."""
    if word in ("lower", "upper", "offset", "multiplier"):
        return before not in ("<", ",") or after != "="
    if word in ("generated", "transformed"):
        return after not in ("quantities", "data", "parameters")
    if word == "quantities":
        return before != "generated"
    if word == "jacobian":
        return after != "+"  # `jacobian += ...`
    if word in TYPES.split() or word == "fatal_error":
        # A name follows its type in a declaration, or opens a loop.
        follows = before == ">" or (before.isidentifier() and before not in ("data", "else"))
        declared = ";=" if before == "]" else ";=,()[" if follows else ""
        return after == "in" or (after != "" and after in declared)
    return True


def is_provided(name: str) -> bool:
    """Whether the tables or the priors of a study can provide data of this name."""
    return name in INPUTS or DATA_NAME.fullmatch(name) is not None


def check_contract(info: dict, program: Path) -> None:
    """Check a program's inputs and outputs.

    Raises
    ------
    ProgramError
        Lists everything that is missing, unknown or of the wrong shape.
    """
    outputs = info["parameters"] | info["transformed parameters"] | info["generated quantities"]
    old = [name for name in OLD_SWITCHES if name in info["inputs"]]
    faults = []
    if old:
        faults.append(
            f"its data `{', '.join(old)}` belong to an earlier contract: fit all N houses "
            "in the model block, without a switch, and predict the N_new houses of county_new, "
            "floor_measure_new and log_radon_new in generated quantities; see stan/pooled.stan"
        )
    faults += [
        f"its data block lacks `{name}`, so it cannot predict houses"
        for name in TO_PREDICT
        if name not in info["inputs"] and not old
    ]
    faults += [
        f"no table or study provides its data `{name}`"
        for name in info["inputs"]
        if not is_provided(name) and name not in old
    ]
    faults += [
        f"its data `{name}` must be {DATA_SHAPES[IN_SHAPES.get(name, 0)]}"
        for name, declared in info["inputs"].items()
        if is_provided(name) and declared["dimensions"] != IN_SHAPES.get(name, 0)
    ]
    faults += [
        f"no kind of prior has the {', '.join(sorted(parts))} of its data `prior_{name}_...`"
        for name, parts in read_of(info["inputs"]).items()
        if not any(parts <= kind.model_fields.keys() for kind in KINDS.values())
    ]
    expected = OUTPUTS
    if "sigma" not in outputs and any(name in outputs for name in SIGMA_BY_FLOOR):
        expected = {name: OUTPUTS[name] for name in OUTPUTS if name != "sigma"} | SIGMA_BY_FLOOR
    for name, dimensions in (expected | OPTIONAL_OUTPUTS).items():
        if name not in outputs:
            if name in expected:
                faults.append(f"it has no output `{name}`")
        elif outputs[name]["dimensions"] not in dimensions:
            wanted = " or ".join(SHAPES[d] for d in dimensions)
            faults.append(f"its `{name}` must be {wanted}")
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise ProgramError(f"{program} breaks the contract of stan/README.md:\n{listed}")
