"""Names that a later Stan reserves: refused where they are declared, not where they belong."""

import pytest

from pooling.build.errors import ProgramError
from pooling.programs.contract import program_info, refuse_reserved_names


def refused(folder, text: str, name: str = "mine.stan") -> str:
    """What is said against the names in a program; nothing where all are free."""
    (folder / name).write_text(text)
    try:
        refuse_reserved_names(folder / name, folder)
    except ProgramError as error:
        return str(error)
    return ""


def test_reserved_name_is_one_message_with_file_line_and_remedy(tmp_path):
    said = refused(tmp_path, "functions {\n  real f(real upper) {\n    return upper;\n  }\n}\n")
    assert said == (
        f"{tmp_path}/mine.stan, line 2: the name `upper` is a reserved word in newer releases of "
        "Stan; use another name"
    )


def test_reserved_name_in_an_included_file_is_named_there(tmp_path):
    (tmp_path / "f.stanfunctions").write_text("/* a\n b */\nreal f(real offset) { return 1; }\n")
    said = refused(tmp_path, "functions {\n  #include f.stanfunctions\n}\n")
    assert said.startswith(f"{tmp_path}/f.stanfunctions, line 3: the name `offset` is")


def test_reserved_name_is_told_before_stanc_is_asked(tmp_path):
    program = tmp_path / "mine.stan"
    program.write_text("model {\n  real array = 1;\n}\n")
    with pytest.raises(ProgramError, match="line 2: the name `array` is a reserved word"):
        program_info(tmp_path / "no stanc is here", program, tmp_path)


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("real lower = 1;", "lower"),
        ("for (multiplier in 1 : 3) {}", "multiplier"),
        ("int<lower=0> array;", "array"),
        ("vector[3] tuple = x;", "tuple"),
        ("real fatal_error;", "fatal_error"),
        ("real jacobian; jacobian = 2;", "jacobian"),
        ("real sum_to_zero_vector[3];", "sum_to_zero_vector"),
        ("array[3] int complex;", "complex"),
        ("int generated;", "generated"),
        ("real not = 1;", "not"),
        ("real<lower=0> inline;", "inline"),
    ],
)
def test_reserved_names_are_found_where_they_are_declared(tmp_path, statement, word):
    said = refused(tmp_path, f"model {{ {statement} }}")
    assert f"line 1: the name `{word}` is a reserved word in" in said
    assert said.count("use another name") == 1


@pytest.mark.parametrize(
    "text",
    [
        "data { real<lower=0, upper=prior_sigma_upper> x; }",
        "parameters { vector<offset=mu, multiplier = sigma>[J] upper_bound; }",
        "data { array[3] vector[2] x; array[2, 3] int k; }",
        "functions { real f(data array[,] real x, array[] complex z) { return 1; } }",
        "model { array[2] tuple(int, real) t; complex z; array[3] complex_vector[2] v; }",
        "transformed data { } transformed parameters { jacobian += x; } generated quantities { }",
        "parameters { sum_to_zero_vector[3] x; row_stochastic_matrix[2, 2] p; }",
        'model { if (x > 1) { fatal_error("upper"); } else fatal_error("lower"); }',
        "// upper, lower\nmodel { /* array */ }",
        "data { real prior_sigma_upper; } model { target += normal_lpdf(x | 0, 1); }",
    ],
)
def test_reserved_words_in_their_own_places_are_no_names(tmp_path, text):
    assert refused(tmp_path, text) == ""
