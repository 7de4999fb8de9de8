import numpy as np
import pandas as pd
import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.frequentist import OWN, POSTERIOR, frame, plot, undefined
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "formula", "parameter", "method", "value"),
    *("low2", "low1", "high1", "high2", "state"),
]
NAN = float("nan")


def table(*rows, note=""):
    """What least squares or REML gave: rows of models, parameter, value, standard error."""
    own = pd.DataFrame(rows, columns=["models", "parameter", "value", "se"])
    return own.assign(formula="y ~ floor", note=note)


def test_estimates_have_one_and_two_standard_errors(example_fit):
    own = table(("pooled", "mu_beta", -0.5, 0.1), ("pooled", "rmse_in_sample", 0.7, NAN))
    rows = frame([example_fit("pooled")], Figures(), own)
    assert list(rows.columns) == COLUMNS
    ours, theirs = (rows[rows["method"] == name].squeeze() for name in (POSTERIOR, OWN))
    assert theirs["value":"high2"].tolist() == pytest.approx([-0.5, -0.7, -0.6, -0.4, -0.3])
    # -0.4 + 0.1 * (-1.2, -1.1, ..., 1.2), every value twice: as long a run of each.
    grid = np.repeat(np.linspace(-0.52, -0.28, 25), 2)
    quantiles = np.quantile(grid, [0.025, 0.16, 0.84, 0.975]).tolist()
    assert ours["value":"high2"].tolist() == pytest.approx([-0.4, *quantiles])


def test_a_spread_without_a_standard_error_has_no_line(example_fit):
    own = table(("pooled", "sigma", 0.8, NAN))
    theirs = frame([example_fit("pooled")], Figures(), own).query("method == @OWN").squeeze()
    assert theirs["state"] == "without error"
    assert theirs["value"] == 0.8
    assert theirs["low2":"high2"].isna().all()


def test_a_singular_optimum_is_said_and_what_it_leaves_undefined_has_no_dot(example_fit):
    fit = example_fit("hierarchical_uranium")
    own = table(
        ("hierarchical_uranium", "sigma_beta", 0.0, NAN),
        ("hierarchical_uranium", "gamma_beta", NAN, NAN),
        note="best: bfgs from (0.3, 0.3, 0); singular: a standard deviation is 0 or the "
        "correlation is 1 or -1",
    )
    rows = frame([fit], Figures(), own)
    assert rows.query("method == @OWN")["state"].tolist() == ["singular", "singular"]
    assert rows.query("method == @POSTERIOR")["state"].tolist() == ["with error", "with error"]
    [note] = undefined(rows).to_dict("records")
    assert (note["parameter"], note["value"]) == ("gamma_beta", pytest.approx(-0.25))
    assert "REML is singular for hierarchical_uranium" in plot(rows).labels.caption


def test_programs_of_one_likelihood_share_its_estimate(example_fit):
    twins = ["hierarchical_centered", "hierarchical_noncentered"]
    own = table((" ".join([*twins, "hierarchical_marginal"]), "mu_beta", -0.5, 0.1))
    rows = frame([example_fit(twin) for twin in twins], Figures(), own)
    assert rows.query("method == @OWN")["model"].tolist() == twins


def test_only_models_with_a_twin_and_shared_parameters_are_shown(example_fit):
    own = table(
        ("per_county", "alpha", 1.0, NAN),
        ("hierarchical_noncentered", "sigma_alpha", 0.3, NAN),
        ("hierarchical_noncentered", "rho", 0.3, NAN),
        ("", "mu_alpha", 1.4, 0.1),
    )
    fits = [example_fit("per_county"), example_fit()]
    rows = frame(fits, Figures(), own)
    assert rows["model"].unique().tolist() == ["hierarchical_noncentered"]
    assert rows["label"].cat.categories.tolist() == ["hierarchical_noncentered"]
    # This program has no rho, so REML's has nothing to stand beside.
    assert rows["parameter"].unique().tolist() == ["sigma_alpha"]
    with pytest.raises(NothingToShow, match=r"models\.use"):
        frame(fits[:1], Figures(), own)


def test_draws_unconverged_models_and_empty_panels(example_fit, tmp_path):
    own = table(
        ("pooled", "mu_alpha", 1.3, 0.05),
        ("hierarchical_centered", "mu_alpha", 1.4, 0.05),
        ("hierarchical_centered", "sigma_beta", 0.4, NAN),
    )
    fits = [example_fit("hierarchical_centered", converged=False), example_fit("pooled")]
    target = tmp_path / "a.png"
    save(plot(frame(fits, Figures(), own)), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
