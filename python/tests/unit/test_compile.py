"""Compiling: what is refused before it, and what stays when it fails.

`test_stan_functions.py` compiles a program for real.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from programs import ROOT, cmdstan
from project import fake_cmdstan

from pooling.build.errors import ProgramError
from pooling.build.files import replacing
from pooling.programs import compile as stage
from pooling.programs.source import normalised


def written(program: Path) -> Path:
    """A program's normalised source, as `plan` writes it; nothing if an include is missing."""
    path = program.with_suffix(".normalised")
    try:
        path.write_text(normalised(program, program.parent) + "\n", encoding="utf-8")
    except ProgramError:
        path.write_text("")
    return path


@pytest.fixture
def attempt(tmp_path):
    """Compile `text` as `foo.stan` beside an executable from before; return the error's text."""
    program, executable = tmp_path / "foo.stan", tmp_path / "foo"
    toolchain = tmp_path / "toolchain.json"
    toolchain.write_text(json.dumps({"cmdstan": str(cmdstan())}))
    executable.write_text("from before")

    def run(text: str, leaves: Iterable[str] = ()) -> str:
        program.write_text(text, encoding="utf-8")
        with pytest.raises(ProgramError) as caught:
            stage.main([str(program), str(written(program)), str(toolchain), "-o", str(executable)])
        assert executable.read_text() == "from before"
        assert {path.name for path in tmp_path.iterdir()} == {
            "foo.stan",
            "foo.normalised",
            "foo",
            "toolchain.json",
            *leaves,
        }
        return str(caught.value)

    return run


def compiled(path: Path, **_) -> str:
    """In the place of the compiler: an empty executable."""
    path.with_suffix("").touch()
    return str(path.with_suffix(""))


def robust() -> str:
    """A program without an include."""
    return (ROOT / "stan" / "hierarchical_robust.stan").read_text(encoding="utf-8")


def test_program_with_an_error_is_refused_in_stancs_words(attempt):
    text = robust().replace("real mu_beta;", "reel mu_beta;")
    said = attempt(text)
    line = text[: text.index("reel")].count("\n") + 1
    assert f"foo.stan', line {line}" in said
    assert "does not compile" in said


def test_program_that_breaks_the_contract_is_refused(attempt):
    said = attempt(robust().replace("y_rep", "y_new"))
    assert "foo.stan breaks the contract of stan/README.md" in said
    assert "it has no output `y_rep`" in said


def test_missing_include_is_refused(attempt):
    assert "gone.stanfunctions" in attempt(
        "functions {\n  #include functions/gone.stanfunctions\n}\n" + robust()
    )


def test_compiler_that_fails_leaves_the_executable_as_it_was(attempt, monkeypatch):
    def fail(*_, **__):
        raise ValueError("g++: internal compiler error")

    monkeypatch.setattr(stage.cmdstanpy, "compile_stan_file", fail)
    said = attempt(robust(), leaves={"foo.log"})
    assert "the C++ compiler failed\ng++: internal compiler error" in said


# What g++ 14 says, and what CmdStan's make and cmdstanpy say around it.
REFUSED = """\
Failed to compile Stan model '/tmp/foo.stan'. Console:
{warnings}
stan/lib/stan_math/lib/tbb_2020.3/include/tbb/task.h:300:20: error: declaration of \
'tbb::task& tbb::internal::task_prefix::task()' changes meaning of 'task' [-Wchanges-meaning]
  300 |         tbb::task& task() {{return *reinterpret_cast<tbb::task*>(this+1);}}
      |                    ^~~~
stan/lib/stan_math/lib/tbb_2020.3/include/tbb/task.h:252:9: note: used here
  252 |         task* next_offloaded;
{warnings}
make: *** [make/program:53: /tmp/foo] Error 1
""".format(warnings="\n".join(["a warning"] * 30))


def test_compiler_that_fails_shows_its_first_error_and_where_the_rest_is(attempt, monkeypatch):
    def fail(*_, **__):
        raise ValueError(REFUSED)

    monkeypatch.setattr(stage.cmdstanpy, "compile_stan_file", fail)
    said = attempt(robust(), leaves={"foo.log"}).splitlines()
    assert said[0].endswith("foo.stan: the C++ compiler failed")
    assert said[1].endswith("[-Wchanges-meaning]")
    assert said[3].endswith("^~~~")
    assert " ".join(said[4:6]) == stage.REFUSED_TBB.strip().replace("\n", " ")
    assert said[6].startswith("the complete output is in ")
    assert len(said) == 7
    assert Path(said[6].removeprefix("the complete output is in ")).read_text() == REFUSED


@pytest.mark.parametrize(
    ("folder", "named", "mended"),
    [
        (".cmdstan/cmdstan-2.27.0", False, True),
        (".cmdstan/cmdstan-2.27.0", True, False),
        ("own", False, False),
    ],
)
def test_tbb_is_mended_in_our_own_cmdstan_alone(folder, named, mended, tmp_path, monkeypatch):
    made = fake_cmdstan(tmp_path / folder)
    header = made / "stan/lib/stan_math/lib/tbb_2020.3/include/tbb/task.h"
    header.parent.mkdir(parents=True)
    header.write_text("        task* next_offloaded;\n")
    monkeypatch.setenv("CMDSTAN", str(made) if named else "")
    monkeypatch.setattr(stage.cmdstanpy, "compile_stan_file", compiled)
    stage.compile_program(ROOT / "stan" / "pooled.stan", made, tmp_path / "pooled")
    assert ("tbb::task*" in header.read_text()) == mended


def test_makes_own_flags_do_not_reach_cmdstan(attempt, monkeypatch):
    seen = {}

    def fail(*_, **__):
        seen.update(os.environ)
        raise ValueError("stopped here")

    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        monkeypatch.setenv(name, "n")
    monkeypatch.setattr(stage.cmdstanpy, "compile_stan_file", fail)
    attempt(robust(), leaves={"foo.log"})
    assert not {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"} & set(seen)


def test_program_is_compiled_under_its_own_name_with_its_includes(tmp_path, monkeypatch):
    seen = {}

    def fake(path, force, stanc_options, cpp_options):
        [beside] = stanc_options["include-paths"]
        includes = sorted(Path(beside).glob("functions/*.stanfunctions"))
        seen.update(name=path.name, text=path.read_text(), force=force)
        seen["includes"] = {path.name: path.read_text() for path in includes}
        made = path.with_suffix("")
        made.write_bytes(b"\x7fELF")
        return str(made)

    monkeypatch.setattr(stage.cmdstanpy, "compile_stan_file", fake)
    program = ROOT / "stan" / "pooled.stan"
    stage.compile_program(program, cmdstan(), tmp_path / "pooled")
    assert (tmp_path / "pooled").read_bytes() == b"\x7fELF"
    assert os.access(tmp_path / "pooled", os.X_OK)
    # make decides what is out of date, so the compiler must not.
    assert seen["force"] is True
    assert (seen["name"], seen["text"]) == ("pooled.stan", program.read_text())
    functions = (ROOT / "stan/functions").glob("*.stanfunctions")
    assert seen["includes"] == {path.name: path.read_text() for path in functions}


@pytest.mark.parametrize(
    ("says", "eigen", "ours"),
    [
        ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0", "eigen_3.3.9", True),
        ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0", "eigen_3.4.0", False),
        ("g++ (Debian 12.2.0-14+deb12u1) 12.2.0", "eigen_5.0.0", False),
        ("Debian clang version 14.0.6", "eigen_3.3.9", False),
        ("Apple clang version 16.0.0 (clang-1600.0.26.6)", "eigen_3.3.9", False),
    ],
)
def test_options_of_ours_are_for_gcc_with_the_eigen_that_they_help(
    says, eigen, ours, tmp_path, monkeypatch
):
    (tmp_path / "stan/lib/stan_math/lib" / eigen).mkdir(parents=True)
    monkeypatch.setattr(stage, "compiler_version", lambda: says)
    assert stage.options(tmp_path) == ({"CXXFLAGS_OPTIM": stage.OPTIMISATION} if ours else {})


def test_options_reach_the_compiler(tmp_path, monkeypatch):
    seen = []

    def fake(path, cpp_options, **_):
        seen.append(cpp_options)
        return compiled(path)

    monkeypatch.setattr(stage.cmdstanpy, "compile_stan_file", fake)
    monkeypatch.setattr(stage, "options", lambda _: {"CXXFLAGS_OPTIM": "-O1"})
    stage.compile_program(ROOT / "stan" / "pooled.stan", cmdstan(), tmp_path / "pooled")
    assert seen == [{"CXXFLAGS_OPTIM": "-O1"}]


def test_text_that_was_compiled_before_is_found_again(tmp_path, monkeypatch):
    texts = []

    def pretend(program, cmdstan, executable, expected, log):
        texts.append(program.read_text())
        with replacing(executable) as draft:
            draft.write_text(f"number {len(texts)}")

    monkeypatch.setattr(stage, "compile_program", pretend)
    toolchain, program = tmp_path / "toolchain.json", tmp_path / "foo.stan"
    toolchain.write_text(json.dumps({"cmdstan": str(cmdstan())}))
    other = robust().replace("sigma);\n}", "2 * sigma);\n}")
    made = []
    for text in (robust(), other, "// a remark\n" + robust()):
        program.write_text(text)
        inputs = [str(program), str(written(program)), str(toolchain)]
        stage.main([*inputs, "--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "foo")])
        made.append((tmp_path / "foo").read_text())
    assert made == ["number 1", "number 2", "number 1"]
    assert texts == [robust(), other]


def test_program_that_was_edited_while_make_ran_is_not_taken_for_the_planned_one(tmp_path):
    program = tmp_path / "foo.stan"
    program.write_text(robust())
    planned = normalised(program, tmp_path)
    program.write_text(robust().replace("sigma);\n}", "2 * sigma);\n}"))
    with pytest.raises(ProgramError, match=r"foo\.stan: edited while make ran; run make again"):
        stage.compile_program(program, cmdstan(), tmp_path / "foo", planned)
    assert not (tmp_path / "foo").exists()
