"""Write netCDF-4 files atomically, and read them lazily by group, through HDF5.

xarray's own reader opens every variable of every group, which takes a quarter of a second per
fit. Here a group is opened on first use, and a variable is read whenever its values are used
and not stored, so that the draws of all fits are never in memory together.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from pooling.build.errors import DataError
from pooling.build.files import replacing

ENGINE: Final = "h5netcdf"


def write_netcdf(
    data: xr.Dataset | xr.DataTree, path: Path, encoding: Mapping[str, dict] | None = None
) -> None:
    """Store data; an existing file remains until the new one is complete.

    Parameters
    ----------
    encoding
        By variable or, for a tree, by group, as for xarray's `to_netcdf`.

    Raises
    ------
    StorageError
        The disk is full or not writable.
    """
    # In memory first: HDF5 crashes on a full disk, where writing bytes raises an error.
    content = data.to_netcdf(engine=ENGINE, encoding=encoding)
    with replacing(path) as draft:
        draft.write_bytes(content)


class Groups:
    """A lazy reader of a fit's groups, with the part of xarray's DataTree interface in use.

    Parameters
    ----------
    path
        A netCDF-4 file written by xarray.
    *more
        Files with further groups; missing files are ignored.

    Attributes
    ----------
    attrs
        The first file's own attributes.
    children
        Names of the groups.

    Raises
    ------
    DataError
        A file is damaged; the message names it.
    """

    def __init__(self, path: Path, *more: Path):
        files = [_opened(file) for file in (path, *filter(Path.is_file, more))]
        # Attributes with an underscore belong to the file format, which has arrays for numbers.
        attrs = {k: v for k, v in files[0].attrs.items() if not k.startswith("_")}
        self.attrs = {k: v.item() if isinstance(v, np.ndarray) else v for k, v in attrs.items()}
        self._groups = {name: file[name] for file in files for name in file}
        self.children = tuple(self._groups)
        self._open = cache(self._dataset)

    def __getitem__(self, name: str) -> xr.DataTree:
        """A group; a variable is read when its values are used.

        Raises
        ------
        KeyError
            The file has no such group.
        """
        return xr.DataTree(self._open(name), name=name)

    def _dataset(self, name: str) -> xr.Dataset:
        group = self._groups[name]
        # HDF5 stores a dimension without coordinates as a dataset with this NAME.
        kept = {
            key: values
            for key, values in group.items()
            if not _text(values.attrs.get("NAME", "")).startswith("This is a netCDF dimension but")
        }
        return xr.Dataset({key: _variable(key, values) for key, values in kept.items()})


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: not a readable fit ({error}); delete it and run make again"
        ) from None


def _variable(name: str, values: h5py.Dataset) -> xr.Variable:
    dims = [str(scale[0].name).rpartition("/")[2] if len(scale) else name for scale in values.dims]
    return xr.Variable(dims, indexing.LazilyIndexedArray(_Values(values)))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Values(BackendArray):
    """The stored values of a variable, with netCDF's text and xarray's booleans decoded."""

    def __init__(self, stored: h5py.Dataset):
        truth = _text(stored.attrs.get("dtype", "")) == "bool"
        self._stored = stored.asstr() if h5py.check_string_dtype(stored.dtype) else stored
        self.shape = stored.shape
        self.dtype = np.dtype(bool) if truth else stored.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        support = indexing.IndexingSupport.OUTER_1VECTOR
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        return np.asarray(self._stored[key]).astype(self.dtype, copy=False)
