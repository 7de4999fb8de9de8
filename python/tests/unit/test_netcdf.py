import h5py
import numpy as np
import pytest
import xarray as xr

from pooling.fits.netcdf import Groups
from pooling.fits.store import write_fit


@pytest.fixture
def stored(example_fit, tmp_path):
    """A tree of every kind of value that a fit has, and the file it is stored in."""
    tree = example_fit(states=("MN", "ND"), uranium=True, diverging=(3,)).tree
    write_fit(tree, tmp_path / "fit.nc")
    return tree, Groups(tmp_path / "fit.nc")


def test_a_file_has_the_groups_values_and_attributes_that_were_written(stored):
    tree, groups = stored
    assert set(groups.children) == set(tree.children)
    assert groups.attrs == tree.attrs
    # County effects that are no parameters lose digits: single precision keeps seven.
    for name in groups.children:
        xr.testing.assert_allclose(groups[name].to_dataset(), tree[name].to_dataset(), rtol=1e-6)
    exact = tree.attrs["parameters"].split()
    assert "sigma" in exact
    posteriors = (each["posterior"].to_dataset()[exact] for each in (groups, tree))
    xr.testing.assert_equal(*posteriors)


def test_variables_keep_the_order_in_which_they_were_written(stored):
    tree, groups = stored
    assert list(groups["posterior"].data_vars) == list(tree["posterior"].data_vars)


def test_text_and_truth_values_come_back_as_such(stored):
    _, groups = stored
    assert groups["constant_data"]["state_name"].values.tolist() == ["MN", "ND", "MN", "ND"]
    diverging = groups["sample_stats"]["diverging"]
    assert diverging.dtype == bool
    assert np.argwhere(diverging.values).tolist() == [[0, 3]]


def test_a_dimension_without_coordinates_has_none(stored):
    _, groups = stored
    adaptation = groups["adaptation"].to_dataset()
    assert set(adaptation.variables) == {"step_size", "inv_metric"}
    assert adaptation["inv_metric"].dims == ("chain", "unconstrained")


def test_values_can_be_chosen_by_repeated_labels_and_by_steps_back(stored):
    tree, groups = stored
    chosen = {"county": [27005, 27001, 27005]}
    picked = groups["posterior"]["alpha"].sel(chosen).isel(draw=slice(None, None, -4))
    expected = tree["posterior"]["alpha"].sel(chosen).isel(draw=slice(None, None, -4))
    assert np.array_equal(picked.values, expected.values.astype(np.float32))


def test_only_what_is_asked_for_is_read(stored, monkeypatch):
    _, groups = stored
    read = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(
        h5py.Dataset,
        "__getitem__",
        lambda self, *key, **more: read.append(self.name) or original(self, *key, **more),
    )
    assert groups["posterior"]["sigma"].values.shape == (2, 25)
    assert "/posterior/sigma" in read
    assert not {"/posterior/alpha", "/posterior/beta"} & set(read)
    assert all(name.startswith("/posterior/") for name in read)


def test_a_group_that_is_not_there_is_a_key_error(stored):
    with pytest.raises(KeyError):
        stored[1]["warmup"]
