"""Check a program's contract and compile it.

`python -m pooling.programs.compile stan/M.stan ESSENCE TOOLCHAIN.json [--kept FOLDER] -o stan/M`

Executables are kept by the essence of their program, the toolchain and the contract: a
text that was compiled before is not compiled again.
"""

import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import cmdstanpy

from pooling.build import cli
from pooling.build.cache import key, made_once
from pooling.build.cmdstan import compiler_version, first_errors, mend_tbb
from pooling.build.digest import code_digest
from pooling.build.errors import ProgramError
from pooling.build.files import replacing
from pooling.programs.contract import check_contract, program_info
from pooling.programs.source import essence

# -O1 with what inlines Eigen's templates compiles a fifth to a quarter faster than CmdStan's -O3,
# to the same draws nearly as fast. The compiler frees memory from 1.3 GB on, not before, for that
# takes it a second or two: less than 1.5 GB for every program. All this is g++'s; clang, which
# other systems call g++ too, gets CmdStan's options. So does Eigen from 3.4 on: it has functions
# with an optimization level of their own, after which g++ keeps that of the precompiled header,
# -O3, and only frees more memory.
OPTIMISATION = (
    "-O1 -finline-functions -finline-small-functions -findirect-inlining -fstrict-aliasing "
    "-fdevirtualize -fexpensive-optimizations "
    "--param=ggc-min-heapsize=1000000 --param=ggc-min-expand=30"
)
REFUSED_TBB = """
g++ 13 and later refuse a word of this CmdStan's TBB: in the file above write
`tbb::task* next_offloaded;` for `task* next_offloaded;`, or unset CMDSTAN and run make again"""
KEPT = 3  # executables of each program: the present one and those of earlier texts


def stanc(cmdstan: Path) -> Path:
    """The Stan compiler of a CmdStan folder."""
    return cmdstan / "bin" / "stanc"


def options(cmdstan: Path) -> dict[str, str]:
    """Options for the C++ compiler: `OPTIMISATION` where it helps."""
    ours = any(cmdstan.glob("stan/lib/stan_math/lib/eigen_3.3*"))
    return {"CXXFLAGS_OPTIM": OPTIMISATION} if ours and "clang" not in compiler_version() else {}


def compile_program(
    program: Path,
    cmdstan: Path,
    executable: Path,
    expected: str | None = None,
    log: Path | None = None,
) -> None:
    """Compile a program; includes are looked up beside it.

    Parameters
    ----------
    expected
        Essence that the program must have, so that the executable is what others take
        it for; by default any.
    log
        File for all that the compiler says, if it fails; by default none.

    Raises
    ------
    ProgramError
        It does not compile, or was edited since its essence was written.
    SetupError
        There is no C++ compiler or no make.
    """
    # CmdStan's makefile must not share the job server or the flags of ours.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    # Others' CmdStan is left as it is. Ours may have been built by an earlier compiler. This is
    # asked before cmdstanpy sets CMDSTAN.
    if not os.environ.get("CMDSTAN") and cmdstan.parent.name == ".cmdstan":
        mend_tbb(cmdstan)
    cmdstanpy.disable_logging()
    cmdstanpy.set_cmdstan_path(str(cmdstan))
    with tempfile.TemporaryDirectory() as scratch, replacing(executable) as draft:
        copy = _copy(program, Path(scratch))
        if expected not in (None, essence(copy, Path(scratch))):
            raise ProgramError(f"{program}: was edited while make ran; run make again")
        try:
            made = cmdstanpy.compile_stan_file(
                copy,
                force=True,
                stanc_options={"include-paths": [scratch]},
                cpp_options=options(cmdstan),
            )
        except ValueError as error:
            raise ProgramError(f"{program}: {_failure(str(error), log)}") from None
        draft.write_bytes(Path(made).read_bytes())
        draft.chmod(0o755)


def _failure(said: str, log: Path | None) -> str:
    """What a compiler that failed has to say first, and where the rest is."""
    message = f"the C++ compiler failed\n{first_errors(said)}"
    if "changes meaning of" in said and "next_offloaded" in said:
        message += REFUSED_TBB
    if log:
        log.write_text(said, encoding="utf-8")
        message += f"\nall that it said is in {log}"
    return message


def _copy(program: Path, scratch: Path) -> Path:
    """Copy a program and what it may include: CmdStan's makefile takes no path with a blank."""
    for source in program.parent.rglob("*.*"):
        # Hidden files are drafts of other processes, which may go at any time.
        if source.is_file() and not source.name.startswith("."):
            copy = scratch / source.relative_to(program.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return scratch / program.name


def checked(program: Path, cmdstan: Path, executable: Path, expected: str, log: Path) -> None:
    """Compile a program that keeps the contract; see `compile_program`."""
    check_contract(program_info(stanc(cmdstan), program, program.parent), program)
    compile_program(program, cmdstan, executable, expected, log)


def main(arguments: list[str] | None) -> None:
    """Compile one program, or find its executable among those that are kept."""
    parser = cli.stage(__doc__, "program", "essence", "toolchain")
    parser.add_argument("--kept", type=Path, help="folder of earlier executables; none: keep none")
    given = parser.parse_args(arguments)
    text, tools = (path.read_text(encoding="utf-8") for path in (given.essence, given.toolchain))
    cmdstan = Path(json.loads(tools)["cmdstan"])
    log = given.essence.with_suffix(".log")
    make = partial(checked, given.program, cmdstan, given.output, text.strip(), log)
    name = key([text, tools, code_digest(checked)])
    made_once(make, given.kept, name, [given.output], KEPT)


if __name__ == "__main__":
    cli.run(main)
