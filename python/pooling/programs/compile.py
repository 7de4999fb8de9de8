"""Check a program's contract and compile it.

    python -m pooling.programs.compile stan/M.stan NORMALISED TOOLCHAIN.json \\
        [--cache FOLDER] -o stan/M

Executables are cached by the program's normalised source, the toolchain and the code of this
stage.
"""

import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import cmdstanpy

from pooling.build import cli
from pooling.build.cache import cached, key
from pooling.build.cmdstan import compiler_version, first_errors, patch_tbb
from pooling.build.digest import code_digest
from pooling.build.errors import ProgramError
from pooling.build.files import replacing
from pooling.programs.contract import check_contract, program_info
from pooling.programs.source import normalised

# -O1 plus inlining of Eigen's templates compiles a fifth to a quarter faster than CmdStan's -O3;
# draws are the same and nearly as fast. Collecting garbage only from 1 GB on saves a second or
# two, and every program needs less than 2 GB. These are options of g++; clang, even if called
# g++, gets CmdStan's own. So does Eigen 3.4 and later: some of its functions set their own
# optimisation level, after which g++ reverts to the precompiled header's -O3.
OPTIMISATION = (
    "-O1 -finline-functions -finline-small-functions -findirect-inlining -fstrict-aliasing "
    "-fdevirtualize -fexpensive-optimizations "
    "--param=ggc-min-heapsize=1000000 --param=ggc-min-expand=30"
)
REFUSED_TBB = """
g++ 13 and later reject this CmdStan's TBB: in the file above replace `task* next_offloaded;`
by `tbb::task* next_offloaded;`, or unset CMDSTAN and run make again"""
CACHED = 3  # executables of each program: the current and the two before it


def stanc(cmdstan: Path) -> Path:
    """The Stan compiler of a CmdStan folder."""
    return cmdstan / "bin" / "stanc"


def options(cmdstan: Path) -> dict[str, str]:
    """Options for the C++ compiler: `OPTIMISATION` for g++ with Eigen 3.3."""
    ours = any(cmdstan.glob("stan/lib/stan_math/lib/eigen_3.3*"))
    return {"CXXFLAGS_OPTIM": OPTIMISATION} if ours and "clang" not in compiler_version() else {}


def compile_program(
    program: Path,
    cmdstan: Path,
    executable: Path,
    expected: str | None = None,
    log: Path | None = None,
) -> None:
    """Compile a program; includes are relative to its folder.

    Parameters
    ----------
    expected
        Normalised that the program must have, so that the executable is what others take
        it for; by default any.
    log
        File for the compiler's complete output if it fails; by default none.

    Raises
    ------
    ProgramError
        It does not compile, or was edited since `expected` was read.
    SetupError
        There is no C++ compiler or no make.
    """
    # Otherwise CmdStan's make would inherit our make's job server and flags.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    # The user's own CmdStan is left unchanged; ours may have been built by an earlier compiler.
    # Checked before cmdstanpy sets CMDSTAN.
    if not os.environ.get("CMDSTAN") and cmdstan.parent.name == ".cmdstan":
        patch_tbb(cmdstan)
    cmdstanpy.disable_logging()
    cmdstanpy.set_cmdstan_path(str(cmdstan))
    with tempfile.TemporaryDirectory() as scratch, replacing(executable) as draft:
        copy = _copy(program, Path(scratch))
        if expected not in (None, normalised(copy, Path(scratch))):
            raise ProgramError(f"{program}: edited while make ran; run make again")
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
    """The first errors of a failed compiler, and where its complete output is."""
    message = f"the C++ compiler failed\n{first_errors(said)}"
    if "changes meaning of" in said and "next_offloaded" in said:
        message += REFUSED_TBB
    if log:
        log.write_text(said, encoding="utf-8")
        message += f"\nthe complete output is in {log}"
    return message


def _copy(program: Path, scratch: Path) -> Path:
    """Copy a program and its folder: CmdStan's makefile does not accept paths with spaces."""
    for source in program.parent.rglob("*.*"):
        # Hidden files are drafts of other processes, which may vanish.
        if source.is_file() and not source.name.startswith("."):
            copy = scratch / source.relative_to(program.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return scratch / program.name


def checked(program: Path, cmdstan: Path, executable: Path, expected: str, log: Path) -> None:
    """Check a program's contract and compile it; see `compile_program`."""
    check_contract(program_info(stanc(cmdstan), program, program.parent), program)
    compile_program(program, cmdstan, executable, expected, log)


def main(arguments: list[str] | None) -> None:
    """Compile one program, or restore its executable from the cache."""
    parser = cli.stage(__doc__, "program", "normalised", "toolchain")
    parser.add_argument("--cache", type=Path, help="folder of cached executables")
    given = parser.parse_args(arguments)
    text, tools = (path.read_text(encoding="utf-8") for path in (given.normalised, given.toolchain))
    cmdstan = Path(json.loads(tools)["cmdstan"])
    log = given.normalised.with_suffix(".log")
    make = partial(checked, given.program, cmdstan, given.output, text.strip(), log)
    name = key([text, tools, code_digest(checked)])
    cached(make, given.cache, name, [given.output], CACHED)


if __name__ == "__main__":
    cli.run(main)
