"""Studies that are wrong, unusual or hostile, through `plan`."""

import json
from collections.abc import Callable
from pathlib import Path

from project import ROOT

from pooling.inputs.study import Study, read_study
from pooling.workflow import plan
from stress.case import Case
from stress.tables import COUNTIES, HOUSES
from stress.trial import accepted, refused, said, written

STUDY = """\
title = "A trial"
[data]
states = ["MN"]
[priors]
mu_alpha = { loc = 0, scale = 10 }
mu_beta = { loc = 0, scale = 10 }
sigma = { scale = 1 }
[sampler]
seed = 1
[models]
use = ["pooled"]
[figures]
funnel = 27001
"""
FILE = "data/studies/trial.toml"
PLAN = ".build/trial/plan.mk"
COMMAND = (FILE, "stan", "-o", PLAN)


def project(folder: Path, study: str | bytes = STUDY, files: dict | None = None) -> Path:
    """A folder with what `plan` reads, and a plan of an earlier run."""
    sources = {f"stan/{name}.stan": "" for name in ("pooled", "per_county")}
    sources |= dict.fromkeys(
        f"stan/functions/{path.name}" for path in (ROOT / "stan/functions").glob("*")
    )
    texts = {name: (ROOT / name).read_bytes() for name in sources}
    texts |= {"data/households.csv": HOUSES, "data/counties.csv": COUNTIES, FILE: study}
    return written(folder, texts | {PLAN: "made earlier"} | (files or {}))


def edited(old: str, new: str) -> str:
    """The study with one replacement."""
    assert old in STUDY, f"{old} is not in the study"
    return STUDY.replace(old, new, 1)


def refusal(tried: str, wanted: str, study: str | bytes, files: dict | None = None) -> Case:
    """`plan` refuses the study, names it and says what is `wanted`; nothing is written."""

    def run(folder: Path) -> str:
        message = refused(project(folder, study, files), wanted, plan.main, *COMMAND)
        assert message.startswith(f"{FILE}: "), f"said: {message}"
        return message

    return Case("study", tried, f"error: {wanted}", run)


def reading(tried: str, expected: str, study: str | bytes, wanted: Callable[[Study], bool]) -> Case:
    """`plan` takes the study, of which `wanted` is true."""

    def run(folder: Path) -> str:
        accepted(project(folder, study), plan.main, *COMMAND)
        assert wanted(read_study(folder / FILE)), "read as something else"
        return "read as meant"

    return Case("study", tried, expected, run)


def _files() -> list[Case]:
    same = read_text(STUDY)
    return [
        reading("UTF-8 with a byte order mark", "the same study", STUDY.encode("utf-8-sig"), same),
        reading("CRLF line ends", "the same study", STUDY.replace("\n", "\r\n"), same),
        reading("CR line ends", "the same study", STUDY.replace("\n", "\r"), same),
        refusal("latin-1", "not TOML: ", edited("trial", "Höhe").encode("latin-1")),
        refusal("UTF-16", "not TOML: ", STUDY.encode("utf-16")),
        refusal("an empty file", "title: setting is missing; add it", ""),
        refusal("NUL bytes alone", "not TOML: ", b"\0" * 64),
        refusal("a key twice", "not TOML: ", edited("seed = 1", "seed = 1\nseed = 2")),
        refusal("a section twice", "not TOML: ", STUDY + '[data]\nstates = ["WI"]\n'),
        refusal("brackets 100,000 deep", "not TOML: ", "title = " + "[" * 100_000),
        refusal("a number of 10,000 digits", "not TOML: ", edited("= 1\n", f"= {'1' * 10_000}\n")),
        refusal("a section misspelt", "dta: unknown setting", edited("[data]", "[dta]")),
        _folder(),
        _none(),
    ]


def read_text(study: str) -> Callable[[Study], bool]:
    """Whether a study is the one that this text says."""
    import tomllib

    return lambda found: found == Study.model_validate(tomllib.loads(study))


def _folder() -> Case:
    def run(folder: Path) -> str:
        (project(folder) / FILE).unlink()
        (folder / FILE).mkdir()
        return refused(folder, f"{FILE}: Is a directory", plan.main, *COMMAND)

    return Case("study", "a folder in place of the study", "error: Is a directory", run)


def _none() -> Case:
    def run(folder: Path) -> str:
        (project(folder) / FILE).rename(folder / "data/studies/other.toml")
        wanted = f"{FILE}: no such study; choose from: other"
        return refused(folder, wanted, plan.main, *COMMAND)

    return Case("study", "no file", "error: no such study; choose from: ...", run)


def _types() -> list[Case]:
    seed, scale, whole = "seed = 1", "sigma = { scale = 1 }", "Input should be a valid integer"
    return [
        *(
            refusal(f"seed = {value}", f"sampler.seed: {wanted}", edited(seed, f"seed = {value}"))
            for value, wanted in (
                ("true", whole),
                ("1.0", whole),
                ('"1"', whole),
                ("[1]", whole),
                ("1979-05-27", whole),
                ("-1", "Input should be greater than or equal to 0"),
                ("2147483648", "Input should be less than 2147483648"),
                ("nan", whole),
            )
        ),
        *(
            refusal(
                f"scale = {value}",
                "priors.sigma",
                edited(scale, f"sigma = {{ scale = {value} }}"),
            )
            for value in ("0", "-1", "nan", "1e300", "5e-324", "1e400", "true", '"1"', "[1]")
        ),
        refusal("upper = -2", "priors.sigma.upper: ", edited(scale, "sigma = { upper = -2 }")),
        refusal("loc = nan", "priors.mu_alpha.loc: ", edited("loc = 0", "loc = nan")),
        refusal("loc = -inf", "priors.mu_alpha.loc: ", edited("loc = 0", "loc = -inf")),
        refusal(
            "a prior without bound",
            "needs a scale, an upper bound or both",
            edited(scale, "sigma = { scale = inf, upper = inf }"),
        ),
        refusal(
            "no chain",
            "sampler.chains: Input should be greater",
            edited(seed, "seed = 1\nchains = 0"),
        ),
        refusal(
            "a billion chains",
            "sampler.chains: Input should be less",
            edited(seed, "seed = 1\nchains = 1_000_000_000"),
        ),
        refusal(
            "10^15 draws",
            "sampler.draws: Input should be less",
            edited(seed, "seed = 1\ndraws = 1_000_000_000_000_000"),
        ),
        refusal(
            "adapt_delta = 1",
            "sampler.adapt_delta: Input should be less",
            edited(seed, "seed = 1\nadapt_delta = 1"),
        ),
        refusal(
            "uranium in words",
            "data.uranium: Input should be a valid boolean",
            edited("[data]", '[data]\nuranium = "yes"'),
        ),
        refusal(
            "one state for a list",
            "data.states: Input should be a valid list",
            edited('["MN"]', '"MN"'),
        ),
        refusal(
            "a state twice",
            "data.states: Value error, MN is listed twice",
            edited('["MN"]', '["MN", "MN"]'),
        ),
        refusal(
            "a floor code with two meanings",
            "data.floors.00.[key]: Value error, write the code",
            edited("[data]", '[data]\nfloors = { 0 = "basement", 00 = "first floor" }'),
        ),
        refusal(
            "a title of two lines",
            "title: Value error, give one line",
            edited("A trial", r"A\ntrial"),
        ),
        refusal("a blank title", "title: Value error, give one line", edited("A trial", " ")),
    ]


def _references() -> list[Case]:
    use = 'use = ["pooled"]'
    table = "[data]\nhouses = "
    outside = {"data/`touch here`.csv": HOUSES, "data/-o.csv": HOUSES, "data/$(id).csv": HOUSES}
    return [
        refusal(
            "a model that is not there",
            "models.use: no program stan/poled.stan; choose from: per_county, pooled",
            edited(use, 'use = ["poled"]'),
        ),
        refusal(
            "a model twice",
            "models.use: Value error, pooled is listed twice",
            edited(use, 'use = ["pooled", "pooled"]'),
        ),
        refusal(
            "an unknown model allowed to fail",
            "models.allowed_to_fail: no program stan/gone.stan",
            edited(use, f'{use}\nallowed_to_fail = {{ gone = "why" }}'),
        ),
        refusal(
            "a model called $(touch here)",
            "models.use: no program stan/$(touch here).stan",
            edited(use, 'use = ["$(touch here)"]'),
        ),
        refusal(
            "a model called ../pooled",
            "models.use: no program stan/../pooled.stan",
            edited(use, 'use = ["../pooled"]'),
        ),
        refusal(
            "a model whose priors are not there",
            "per_county needs prior_alpha_loc",
            edited(use, 'use = ["per_county"]'),
        ),
        refusal(
            "a table that is not there",
            "no table data/studies/gone.csv",
            edited("[data]", f'{table}"gone.csv"'),
        ),
        refusal(
            "a table on the web",
            "no table data/studies/http:/example.org/houses.csv",
            edited("[data]", f'{table}"http://example.org/houses.csv"'),
        ),
        refusal("a folder for a table", "no table data", edited("[data]", f'{table}".."')),
        refusal(
            "a table's path with a NUL", "no table ", edited("[data]", f'{table}"a\\u0000b.csv"')
        ),
        refusal(
            "a table's path with a line end",
            "no table ",
            edited("[data]", f'{table}"a\\nall: ; touch here"'),
        ),
        *(
            refusal(
                f"a table called {name}",
                "make cannot read this path",
                edited("[data]", f"{table}'../{name}'"),
                {f"data/{name}": HOUSES},
            )
            for name in (
                "`touch here`.csv",
                "$(touch here).csv",
                "my houses.csv",
                "a;touch here.csv",
                "a|b.csv",
                "a&b.csv",
                "a>b.csv",
                "a*b.csv",
                "~.csv",
                'a"b.csv',
            )
        ),
        _option(outside),
        _loop(),
    ]


def _option(files: dict) -> Case:
    def run(folder: Path) -> str:
        project(folder, edited("[data]", "[data]\nhouses = '../../-o.csv'"), {"-o.csv": HOUSES})
        return refused(folder, "'-o.csv': make cannot read this path", plan.main, *COMMAND)

    return Case("study", "a table called -o.csv", "error: make cannot read this path", run)


def _loop() -> Case:
    def run(folder: Path) -> str:
        project(folder, edited("[data]", "[data]\nhouses = '../loop.csv'"))
        (folder / "data/loop.csv").symlink_to("loop.csv")
        return refused(folder, "no table data/loop.csv", plan.main, *COMMAND)

    return Case("study", "a table that is a link to itself", "error: no table", run)


def _seeds() -> list[Case]:
    def seed(value: str) -> Case:
        def run(folder: Path) -> str:
            message = said(project(folder), plan.main, *COMMAND, "--seed", value)
            assert message == f"SEED={value}: give a whole number from 0 to 2147483647", message
            return message

        return Case("study", f"SEED={value}", "error: give a whole number", run)

    return [seed(value) for value in ("soon", "1.5", "2147483648", "1e9", "$(id)")]


def _words() -> list[Case]:
    title = "<script>alert(1)</script> & `id` $(id) ' \\\" Õ 東京 🏠"

    def run(folder: Path) -> str:
        accepted(project(folder, edited("A trial", title)), plan.main, *COMMAND)
        kept = json.loads((folder / ".build/trial/about.json").read_text())["title"]
        assert kept == title.replace('\\"', '"'), kept
        made = (folder / PLAN).read_text()
        assert "script" not in made and "id" not in made.replace("kfold", ""), made
        return "kept as it is, and no part of what make reads"

    return [Case("study", "a title of shell, HTML and emoji", "kept as it is", run)]


def cases() -> list[Case]:
    """Studies, from those that are no text to those that would be commands."""
    return [*_files(), *_types(), *_references(), *_seeds(), *_words()]
