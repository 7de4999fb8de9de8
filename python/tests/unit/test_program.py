"""The normalised source of a program: what must stay the same when comments and spaces change."""

import pytest

from pooling.build.errors import ProgramError
from pooling.programs.source import declared, normalised


@pytest.fixture
def normalised_text(tmp_path):
    """Normalised of a text as the program `main.stan`."""

    def find(text: str) -> str:
        (tmp_path / "main.stan").write_text(text, encoding="utf-8")
        return normalised(tmp_path / "main.stan", tmp_path)

    return find


@pytest.mark.parametrize(
    "text",
    [
        "model { x ~ normal(0, 1); }",
        "// What it is\nmodel { x ~ normal(0, 1); }\n",
        "model { x ~ normal(0, 1); } // why",
        "/* What\n * it is\n */\nmodel { x ~ normal(0, 1); }",
        "/** doc **/ model { x ~ normal(0, 1); }",
        "model /* in between */ { x ~ normal(0, 1); }",
        "model {\n\tx ~ normal(0,\r\n   1);\n}\n\n",
        "// it's \"quoted\nmodel { x ~ normal(0, 1); }",
        "/* // */ model { x ~ normal(0, 1); }",
        "// /*\nmodel { x ~ normal(0, 1); } // */",
    ],
)
def test_comments_and_white_space_do_not_count(normalised_text, text):
    assert normalised_text(text) == "model { x ~ normal(0, 1); }"


@pytest.mark.parametrize(
    "text",
    [
        "model { x ~ normal(0, 2); }",
        "model { xx ~ normal(0, 1); }",
        "model { x ~ normal(0, 1); y ~ normal(0, 1); }",
        "model { x ~ student_t(4, 0, 1); }",
    ],
)
def test_an_edited_line_counts(normalised_text, text):
    assert normalised_text(text) != normalised_text("model { x ~ normal(0, 1); }")


def test_a_comment_keeps_two_words_apart(normalised_text):
    assert normalised_text("int/* count */N;") == "int N;"


def test_slashes_in_a_string_are_no_comment(normalised_text):
    text = 'print("see http://example.org /* not this */", x);'
    assert normalised_text(text) == text


def test_include_is_put_in_place_without_its_comments(normalised_text, tmp_path):
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "f.stanfunctions").write_text("// doc\nreal f(real x) { return x; }")
    text = "functions {\n  #include functions/f.stanfunctions\n}\n"
    assert normalised_text(text) == "functions { real f(real x) { return x; } }"


@pytest.mark.parametrize("name", ["<f.stan>", '"f.stan"', "f.stan // why"])
def test_include_in_all_its_spellings(normalised_text, tmp_path, name):
    (tmp_path / "f.stan").write_text("int a;")
    assert normalised_text(f"#include {name}\nint b;") == "int a; int b;"


def test_edited_include_counts(normalised_text, tmp_path):
    (tmp_path / "f.stan").write_text("int a;")
    before = normalised_text("#include f.stan\n")
    (tmp_path / "f.stan").write_text("int b;")
    assert normalised_text("#include f.stan\n") != before


def test_include_in_an_include_is_found_from_the_same_folder(normalised_text, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "f.stan").write_text("#include deep/g.stan\n")
    (tmp_path / "deep" / "g.stan").write_text("int g;")
    assert normalised_text("#include deep/f.stan\nint a;") == "int g; int a;"


def test_one_file_may_be_included_twice(normalised_text, tmp_path):
    (tmp_path / "f.stan").write_text("x += 1;")
    assert normalised_text("#include f.stan\n#include f.stan\n") == "x += 1; x += 1;"


def test_commented_include_is_not_looked_for(normalised_text):
    assert normalised_text("// #include gone.stan\nint a;") == "int a;"


def test_program_that_includes_itself_is_an_error(normalised_text, tmp_path):
    (tmp_path / "f.stan").write_text("#include main.stan\n")
    with pytest.raises(ProgramError, match=r"main\.stan: includes itself through .*f\.stan"):
        normalised_text("#include f.stan\n")


def test_missing_include_names_who_wants_it(normalised_text):
    with pytest.raises(
        ProgramError, match=r"gone\.stan: no such file, which .*main\.stan includes"
    ):
        normalised_text("#include gone.stan\n")


def test_missing_program_is_an_error(tmp_path):
    with pytest.raises(ProgramError, match=r"gone\.stan: no such file; correct the name$"):
        normalised(tmp_path / "gone.stan", tmp_path)


def test_declared_data_are_names_in_their_order_of_the_data_block_alone(normalised_text):
    text = normalised_text(
        "functions { real f(data real z) { real q; return z; } }\n"
        "data {\n"
        "  int<lower=0> N;  // Houses\n"
        "  array[N] int<lower=1, upper=N> county;\n"
        "  vector<lower=0, upper=1>[N] floor_measure ;\n"
        "}\n"
        "transformed data { int n = N - 1; real w; }\n"
        "parameters { real mu; }\n"
    )
    assert declared(text) == ["N", "county", "floor_measure"]


def test_transformed_data_alone_is_no_data(normalised_text):
    assert declared(normalised_text("transformed data { int n; }\nmodel {}")) == []


def test_program_without_data_declares_none(normalised_text):
    assert declared(normalised_text("parameters { real data_mu; }")) == []


def test_other_blocks_are_asked_for_by_name(normalised_text):
    text = normalised_text(
        "data { int N; }\n"
        "transformed data { real w; }\n"
        "parameters { real mu; vector<lower=0, upper=f(N, 1)>[N] sigma; }\n"
        "transformed parameters { real<lower=0> tau = exp(mu); }\n"
        "model { mu ~ normal(0, 1); }\n"
        "generated quantities {\n"
        "  vector[N] alpha;\n"
        "  vector[N] log_lik_county = h(alpha, mu, sigma[1 : N]);\n"
        "  { matrix[N, 2] inner = g_rng(mu); alpha = inner[, 1]; }\n"
        "  real later;\n"
        "}\n"
    )
    assert declared(text, "parameters") == ["mu", "sigma"]
    assert declared(text, "transformed data") == ["w"]
    assert declared(text, "transformed parameters") == ["tau"]
    assert declared(text, "generated quantities")[:2] == ["alpha", "log_lik_county"]
    assert "later" not in declared(text, "generated quantities")
