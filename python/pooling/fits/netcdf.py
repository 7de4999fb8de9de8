"""Write a netCDF-4 file all or nothing, and read one group by group, through HDF5.

xarray's own reader opens every variable of every group, a quarter of a second of a
fit. Here a group is opened when it is first asked for, and a variable is read
whenever its values are: draws are never kept, so thirteen fits are not in memory together.
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
    """Store data; what was at the path stays until the new file is whole.

    Parameters
    ----------
    encoding
        By variable or, of a tree, by group, as xarray's `to_netcdf` takes it.

    Raises
    ------
    StorageError
        The disk is full or does not let us write.
    """
    # Made in memory: HDF5 crashes when the disk is full, and writing bytes is an error.
    content = data.to_netcdf(engine=ENGINE, encoding=encoding)
    with replacing(path) as draft:
        draft.write_bytes(content)


class Groups:
    """The groups of a file by name, with what is used of an xarray DataTree.

    Parameters
    ----------
    path
        A netCDF-4 file, as xarray writes it.
    *more
        Further files, with groups that the first does not have; those that do not exist
        count as empty.

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
        # Those that begin so are the format's own.
        self.attrs = {k: v for k, v in files[0].attrs.items() if not k.startswith("_")}
        self._groups = {name: file[name] for file in files for name in file}
        self.children = tuple(self._groups)
        self._open = cache(self._dataset)

    def __getitem__(self, name: str) -> xr.DataTree:
        """A group; its variables are read when their values are asked for.

        Raises
        ------
        KeyError
            The file has no such group.
        """
        return xr.DataTree(self._open(name), name=name)

    def _dataset(self, name: str) -> xr.Dataset:
        group = self._groups[name]
        # A dimension without coordinates is a dataset too, one that says so in its name.
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
    """Values of a variable where they are stored, with netCDF's text and xarray's truth values."""

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
