"""Stan programs that are wrong, unusual or hostile, before any of them is compiled."""

import json
from collections.abc import Callable
from pathlib import Path

from project import ROOT

from pooling.build.cmdstan import locate
from pooling.programs import compile as compiling
from pooling.workflow import plan
from stress.case import Case
from stress.studies import COMMAND, project
from stress.trial import accepted, refused, written

POOLED = (ROOT / "stan/pooled.stan").read_text(encoding="utf-8")
FUNCTIONS = "stan/functions/county_marginal.stanfunctions"  # which `pooled` includes
BLOCK = "data {\n"
MADE = "made earlier"


def edited(old: str, new: str) -> str:
    """The program `pooled` with one replacement, or every one if `old` is one word."""
    assert old in POOLED, f"{old} is not in the program"
    return POOLED.replace(old, new)


def planning(
    tried: str, wanted: str, files: dict[str, str | bytes], prepare: Callable | None = None
) -> Case:
    """`plan` refuses a program or what it includes; nothing is written."""

    def run(folder: Path) -> str:
        project(folder, files=files)
        if prepare:
            prepare(folder)
        return refused(folder, wanted, plan.main, *COMMAND)

    return Case("program", tried, f"error: {wanted}", run)


def contract(tried: str, wanted: str, text: str | bytes, name: str = "pooled") -> Case:
    """`compile` refuses a program before compiling; the executable from before stays."""

    def run(folder: Path) -> str:
        toolchain = json.dumps({"cmdstan": str(locate())})
        program, executable = f"stan/{name}.stan", f"stan/{name}"
        written(folder, {program: text, executable: MADE, "toolchain.json": toolchain})
        written(folder, {FUNCTIONS: (ROOT / FUNCTIONS).read_text(encoding="utf-8")})
        written(folder, {"planned.normalised": "any, since it is refused before it is compared"})
        command = (program, "planned.normalised", "toolchain.json", "-o", executable)
        message = refused(folder, wanted, compiling.main, *command)
        assert message.startswith(program), f"said: {message}"
        return " ".join(message.split())

    return Case("program", tried, f"error: {wanted}", run)


def meaning(tried: str, expected: str, files: dict[str, str | bytes], same: bool) -> Case:
    """Whether the normalised source of the first program is that of `pooled`."""
    model = next(Path(name).stem for name in files)

    def run(folder: Path) -> str:
        accepted(project(folder, files=files), plan.main, *COMMAND)
        texts = [
            (folder / f".build/programs/{m}.normalised").read_text() for m in (model, "per_county")
        ]
        plain = folder / "plain"
        plain.mkdir()
        accepted(project(plain), plan.main, *COMMAND)
        pooled = (plain / ".build/programs/pooled.normalised").read_text()
        assert (texts[0] == pooled) == same, "counts as the same program" if not same else "differs"
        return "the same program" if same else "another program"

    return Case("program", tried, expected, run)


def _texts() -> list[Case]:
    program = "stan/pooled.stan"
    bad = "stan/functions/bad.stanfunctions"
    return [
        planning(
            "latin-1 in a comment",
            "stan/pooled.stan: byte 0xe9 is not UTF-8",
            {program: edited("Houses", "é").encode("latin-1")},
        ),
        planning(
            "UTF-16", "stan/pooled.stan: byte 0xff is not UTF-8", {program: POOLED.encode("utf-16")}
        ),
        planning(
            "a byte order mark",
            "stan/pooled.stan: starts with a byte order mark",
            {program: POOLED.encode("utf-8-sig")},
        ),
        planning(
            "latin-1 in an included file",
            "bad.stanfunctions, which stan/pooled.stan includes: byte",
            {
                program: f"#include functions/bad.stanfunctions\n{POOLED}",
                bad: "// é".encode("latin-1"),
            },
        ),
        contract("an empty file", "its data block lacks `N_new`", ""),
        contract("NUL bytes alone", "does not compile", b"\0" * 64),
        contract("half a program", "does not compile", POOLED[: len(POOLED) // 2]),
        contract("a comment that is not closed", "does not compile", POOLED + "/* open"),
        contract(
            "a quote that is not closed",
            "does not compile",
            edited("model {", 'model {\n  print("now);'),
        ),
        contract("a word misspelt", "does not compile", edited("real mu_beta;", "reel mu_beta;")),
        contract("JSON", "does not compile", '{"model": 1}'),
        meaning(
            "CRLF line ends", "the same program", {program: POOLED.replace("\n", "\r\n")}, True
        ),
        meaning("CR line ends", "the same program", {program: POOLED.replace("\n", "\r")}, True),
        meaning(
            "comments with braces and quotes",
            "the same program",
            {program: edited(BLOCK, 'data { // } " {\n /* "}{ // */')},
            True,
        ),
        meaning(
            "a comment that begins with #",
            "the same program",
            {program: edited(BLOCK, "data {\n# an old comment }\n")},
            True,
        ),
        meaning(
            "code after an old comment's line end",
            "another program",
            {
                program: edited(
                    "  log_radon ~", "  # old\n  log_radon ~ normal(0, 1);\n  log_radon ~"
                )
            },
            False,
        ),
        meaning(
            "// in a string",
            "another program",
            {program: edited("model {", 'model {\n  print("a // b");')},
            False,
        ),
        meaning(
            "code after an include, in its line",
            "another program",
            {
                program: edited(
                    "model {", "model {\n#include functions/none.stan log_radon ~ normal(0, 1);\n"
                ),
                "stan/functions/none.stan": "\n",
            },
            False,
        ),
        meaning(
            "an include on the next line",
            "another program",
            {
                program: edited("model {", "model {\n#include\n functions/more.stan\n"),
                "stan/functions/more.stan": "log_radon ~ normal(0, 1);\n",
            },
            False,
        ),
        meaning(
            "an included file with a blank in its name",
            "another program",
            {
                program: edited("model {", 'model {\n#include "functions/m ore.stan"\n'),
                "stan/functions/m ore.stan": "log_radon ~ normal(0, 1);\n",
            },
            False,
        ),
    ]


def _includes() -> list[Case]:
    program = "stan/pooled.stan"

    def including(name: str) -> dict[str, str]:
        return {program: f"functions {{\n#include {name}\n}}\n{POOLED}", "secret.stan": "// secret"}

    def link(folder: Path) -> None:
        (folder / "stan/functions/link.stan").symlink_to(folder / "secret.stan")

    def ring(folder: Path) -> None:
        (folder / "stan/functions/ring.stan").symlink_to("ring.stan")

    outside = "which is not in stan; copy it there"
    cycle = {
        "stan/functions/a.stan": "#include functions/b.stan\n",
        "stan/functions/b.stan": "#include functions/a.stan\n",
    }
    return [
        planning(
            "an include that is not there",
            "stan/functions/gone.stan: no such file, which stan/pooled.stan includes",
            including("functions/gone.stan"),
        ),
        planning("an include of /etc/passwd", outside, including("/etc/passwd")),
        planning("an include of ../secret.stan", outside, including("../secret.stan")),
        planning(
            "an include of functions/../../secret.stan",
            outside,
            including("functions/../../secret.stan"),
        ),
        planning(
            "an include of a link to outside", outside, including("functions/link.stan"), link
        ),
        planning("an include of a link to itself", outside, including("functions/ring.stan"), ring),
        planning(
            "an include of the folder", "stan/functions: Is a directory", including("functions")
        ),
        planning(
            "includes in a circle",
            "stan/functions/a.stan: includes itself through stan/functions/b.stan",
            including("functions/a.stan") | cycle,
        ),
        planning(
            "a program that includes itself",
            "stan/pooled.stan: includes itself through stan/pooled.stan",
            including("pooled.stan"),
        ),
    ]


def _names() -> list[Case]:
    wanted = "rename the program to a letter followed by"

    def folder_of_program(folder: Path) -> None:
        (folder / "stan/one.stan").mkdir()

    def dangling(folder: Path) -> None:
        (folder / "stan/one.stan").symlink_to("nowhere.stan")

    names = ("all", "clean", "FORCE", "functions", "draft", "report", "a b", "a;touch here", "1st")
    names += ("$(touch here)", "`touch here`", "a%", "-rf", "naïve", "a.b", "n" * 101)
    return [
        *(
            planning(
                f"a program called {n}" if len(n) < 99 else "a program with a name of 101 letters",
                f"{n}.stan: {wanted}",
                {f"stan/{n}.stan": POOLED},
            )
            for n in names
        ),
        planning(
            "functions in a file called $(touch here)",
            "rename the file to letters, digits and underscores",
            {"stan/functions/$(touch here).stanfunctions": ""},
        ),
        planning(
            "a folder called one.stan", "stan/one.stan: Is a directory", {}, folder_of_program
        ),
        planning("a link to no program", "stan/one.stan: no such file", {}, dangling),
        meaning(
            "programs that differ by case: pooled, Pooled",
            "two programs, each with its own source",
            {"stan/Pooled.stan": POOLED},
            True,
        ),
    ]


def _contracts() -> list[Case]:
    no_log_lik = edited("[N_new] log_lik;", "[N_new] density;").replace("log_lik[i]", "density[i]")
    lines = {
        name: next(line for line in POOLED.splitlines() if f" {name};" in line)
        for name in ("N_new", "county")
    }
    return [
        contract(
            "unknown data",
            "no table or study provides its data `humidity`",
            edited("  int<lower=0> N;", "  real humidity;\n  int<lower=0> N;"),
        ),
        contract(
            "no number of houses to predict",
            "its data block lacks `N_new`",
            edited(lines["N_new"], "").replace("N_new", "0"),
        ),
        contract(
            "the switches of the contract before this one",
            "its data `held_out, prior_only` belong to an earlier contract",
            edited("  int<lower=0> N;", "  int held_out;\n  int prior_only;\n  int<lower=0> N;"),
        ),
        contract("no y_rep", "it has no output `y_rep`", edited("y_rep", "replicated")),
        contract("no log_lik", "it has no output `log_lik`", no_log_lik),
        contract(
            "alpha as a number",
            "its `alpha` must be a vector",
            edited("vector[J] alpha = rep_vector(mu_alpha, J);", "real alpha = mu_alpha;")
            .replace("alpha[county]", "rep_vector(alpha, N)")
            .replace("alpha[county_new[i]]", "alpha")
            .replace(" alpha, beta,", " rep_vector(alpha, J), beta,"),
        ),
        contract(
            "y_rep as a matrix",
            "its `y_rep` must be a vector",
            edited("vector[N_new] y_rep;", "matrix[N_new, 2] y_rep;").replace(
                "y_rep[i] = normal_rng(mu, sigma);", "y_rep[i] = [0, 0];"
            ),
        ),
        contract(
            "counties as one number",
            "its data `county` must be an array or a vector",
            edited(lines["county"], "  int county;")
            .replace("alpha[county] + beta[county] .*", "alpha[county] + beta[county] *")
            .replace("(log_radon, county,", "(log_radon, rep_array(county, N),"),
        ),
    ]


def cases() -> list[Case]:
    """Programs, from those that are no text to those that would be commands."""
    return [*_texts(), *_includes(), *_names(), *_contracts()]
