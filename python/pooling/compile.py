"""Check a program's contract and compile it.

`python -m pooling.compile stan/M.stan TOOLCHAIN.json -o stan/M`
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import cmdstanpy

from pooling import cli
from pooling.contract import check_contract, program_info
from pooling.errors import ProgramError
from pooling.files import replacing


def stanc(cmdstan: Path) -> Path:
    """The Stan compiler of a CmdStan folder."""
    return cmdstan / "bin" / "stanc"


def compile_program(program: Path, cmdstan: Path, executable: Path) -> None:
    """Compile a program; includes are looked up beside it.

    Raises
    ------
    ProgramError
        It breaks the contract, or does not compile.
    """
    # CmdStan's makefile must not share the job server or the flags of ours.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    cmdstanpy.disable_logging()
    cmdstanpy.set_cmdstan_path(str(cmdstan))
    with tempfile.TemporaryDirectory() as scratch, replacing(executable) as draft:
        copy = _copy(program, Path(scratch))
        try:
            made = cmdstanpy.compile_stan_file(
                copy, force=True, stanc_options={"include-paths": [scratch]}
            )
        except ValueError as error:
            raise ProgramError(f"{program}: the C++ compiler failed\n{error}") from None
        draft.write_bytes(Path(made).read_bytes())
        draft.chmod(0o755)


def _copy(program: Path, scratch: Path) -> Path:
    """Copy a program and what it may include: CmdStan's makefile takes no path with a blank."""
    for source in program.parent.rglob("*.*"):
        if source.is_file():
            copy = scratch / source.relative_to(program.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return scratch / program.name


def main(arguments: list[str] | None) -> None:
    """Compile one program."""
    given = cli.stage(__doc__, "program", "toolchain").parse_args(arguments)
    cmdstan = Path(json.loads(given.toolchain.read_text(encoding="utf-8"))["cmdstan"])
    check_contract(program_info(stanc(cmdstan), given.program, given.program.parent), given.program)
    compile_program(given.program, cmdstan, given.output)


if __name__ == "__main__":
    cli.run(main)
