"""What the explorer computes of decisions in the browser, against the package's own numbers."""

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from decided import represented, spread_out, with_draws

from pooling.deciding.annual import annual
from pooling.deciding.tree import Problem, Radon, bivariate, limit_of, test_of, updated
from pooling.fits.store import Fit
from pooling.inputs.decision import Decision
from pooling.inputs.sections import FLOORS
from pooling.reporting.calculator import GROUPS, components_of, grouped, settings_of, table_of
from pooling.reporting.decisions import decisions

test_of.__test__ = False
LOSSES = Path(__file__).parents[3] / "reports" / "explorer.losses.js"
DECISION = Decision()
ALMOST_EXACT = Decision(long_term_spread=1.001)
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")


def in_javascript(expression: str, **given) -> list:
    """The value of an expression of the page's functions and of what is given."""
    names = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    code = f"{LOSSES.read_text()}\n{names}console.log(JSON.stringify({expression}));"
    done = subprocess.run(["node", "-"], input=code, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def counties(example_fit):
    """Twelve counties with log radon from very low to very high, and 4000 draws of each."""
    return spread_out(example_fit(counties=12))


def cell(radon: Radon, sizes: list[int], column: int) -> tuple[Radon, dict]:
    """One cell of a mixture, in Python and as the page has it."""
    mean, sd = radon.mean[:, [column]], radon.sd[:, [column]]
    shift = float(np.broadcast_to(radon.shift, radon.mean.shape[1])[column])
    prior = (np.array(sizes) / sum(sizes)).tolist()
    page = {"mean": mean[:, 0].tolist(), "sd": sd[:, 0].tolist(), "shift": shift}
    return Radon(mean, sd, shift, radon.log_weight), page | {"weight": prior, "prior": prior}


@needs_node
def test_bivariate_normal_probabilities():
    """Those of Owen's function in scipy; correlations of 0 and 1 by hand."""
    grid = [(x, y, r) for x in (-3, -0.5, 0.2, 4) for y in (-2, 0.3, 6) for r in (0.1, 0.7, 0.98)]
    grid += [(0.5, 0.500001, 0.9999995), (-1, 2, 0.0), (1.0, 0.3, 1.0)]
    found = in_javascript("grid.map((row) => bivariate(...row))", grid=grid)
    x, y, r = np.array(grid[:-1]).T
    assert found[:-1] == pytest.approx(bivariate(x, y, r), abs=1e-9)
    assert found[-1] == pytest.approx(0.617911, abs=1e-6)  # Pr(Z < 0.3), a table of the normal


@needs_node
@pytest.mark.parametrize("kind", ["long-term", "screening"])
@pytest.mark.parametrize("decision", [DECISION, ALMOST_EXACT])
def test_the_page_computes_what_the_package_computes(counties, decision, kind):
    fit = with_draws(
        counties,
        *(counties.effects()[n].values.reshape(4, -1, 12) for n in ("alpha", "beta")),
        0.75,
        "log(x + 0.1)",
    )
    radon, sizes = grouped(annual(fit, decision), GROUPS)
    problem, test = Problem.of(decision), test_of(decision, kind)
    given = {"problem": asdict(problem), "test": asdict(test)}
    for column in (2, 6, 11, 17):
        own, page = cell(radon, sizes, column)
        for reading in (None, -2.0, 1.2, 3.0):
            start = "radon" if reading is None else f"updated(radon, test, {reading})"
            code = f"""(() => {{
                const now = {start}, every = losses(problem, now, test);
                const means = Object.values(every).map((each) => average(now, each));
                return [limit(problem, now, test), ...means];
            }})()"""
            found = in_javascript(code, radon=page, **given)
            now = own if reading is None else updated(own, test, reading)
            limit = limit_of(problem, now, test)
            measured = problem.loss_measure(now, test, limit)
            losses = problem.loss_nothing(now), measured, problem.loss_remedy(now)
            wanted = [float(now.average(loss)[0]) for loss in losses]
            assert found[0] == pytest.approx(limit[0], abs=1e-6)
            assert found[1:] == pytest.approx(wanted, rel=1e-7, abs=1e-4)


def test_groups_of_draws_have_the_losses_of_all_draws(counties):
    """Within 0.1% of the smallest loss, and thresholds within 0.1%."""
    every = annual(counties, DECISION)
    groups, sizes = grouped(every, GROUPS)
    assert sizes == [200] * 20
    assert groups.moments() == (
        pytest.approx(every.moments()[0]),
        pytest.approx(every.moments()[1]),
    )
    problem, test = Problem.of(DECISION), test_of(DECISION, "long-term")
    found = []
    for radon in (every, groups):
        limit = limit_of(problem, radon, test)
        measured = problem.loss_measure(radon, test, limit)
        each = problem.loss_nothing(radon), measured, problem.loss_remedy(radon)
        found.append([*(radon.average(loss) for loss in each), np.exp(limit)])
    assert found[1] == pytest.approx(np.array(found[0]), rel=1e-3)


def test_uneven_groups_have_their_sizes_as_weights():
    """Five draws in two groups, of 3 and 2: means 2 and 4.5, variances 1 + 2/3 and 1 + 1/4."""
    radon = Radon(np.array([[3.0], [1.0], [5.0], [2.0], [4.0]]), np.ones((5, 1)))
    groups, sizes = grouped(radon, 2)
    assert sizes == [3, 2]
    assert groups.mean[:, 0] == pytest.approx([2, 4.5])
    assert groups.sd[:, 0] ** 2 == pytest.approx([5 / 3, 1.25])
    assert groups.average(groups.mean)[0] == pytest.approx(3)


@needs_node
def test_monte_carlo_errors_are_those_of_the_table(counties):
    table = decisions(counties, DECISION, represented(counties))
    codes = counties.counties["county_fips"].tolist()
    rows = table_of(table, codes)[0]
    share = components_of(counties, DECISION)["error"][0]
    radon, sizes = grouped(annual(counties, DECISION), GROUPS)
    given = {
        "problem": asdict(Problem.of(DECISION)),
        "test": asdict(test_of(DECISION, "long-term")),
    }
    for column in (2, 6, 11):
        _, page = cell(radon, sizes, column)
        code = "Object.values(losses(problem, radon, test)).map((v) => monteCarlo(radon, v, share))"
        found = in_javascript(code, radon=page, share=share[column], **given)
        wanted = [rows[f"error_{name}"][column] for name in ("nothing", "measure", "remedy")]
        assert found == pytest.approx(wanted, rel=0.15)


def test_columns_of_the_table_are_in_the_order_of_counties(counties):
    table = decisions(counties, DECISION, represented(counties))
    codes = counties.counties["county_fips"].tolist()[::-1]
    for floor, rows in zip(FLOORS, table_of(table, codes), strict=True):
        own = table[table["floor"] == floor].set_index("county_fips").loc[codes]
        assert rows["action"] == own["action"].tolist()
        assert rows["loss_measure"] == pytest.approx(own["loss_measure"].to_numpy())
        assert all(isinstance(value, bool) for value in rows["certain"])


def test_models_that_decide_nothing_say_why(example_fit, counties):
    robust = example_fit()
    tree = robust.tree.copy()
    posterior = tree["posterior"].to_dataset()
    tree["posterior"] = posterior.assign(nu=4 + 0 * posterior["sigma"])
    found = components_of(Fit(tree, robust.diagnostics), DECISION)
    assert "expectation" in found["missing"]
    noisy = Decision(screening_spread=3.0, factor_spread=1.01)
    assert "noise" in components_of(counties, noisy)["missing"]


def test_settings_are_in_pci(counties):
    found = settings_of(DECISION, 0.1)
    assert found["problem"] == {"remedy": 2000.0, "remedied": 2.0, "value": 1000.0}
    assert found["tests"]["long-term"]["wait"] == pytest.approx(1 / 30)
    assert found["factor"] == [0.5, 0.8]
