"""Reads untrusted HDF5 files within limits.

Links are not followed, and data in external files is not read. Chunks are
decompressed here, because HDF5's filters may return any amount of data.
"""

import math
import typing
import zlib

import numpy as np

if typing.TYPE_CHECKING:
    import h5py

# Limits of a dataset.
MAX_BYTES = 256 * 2**20
_MAX_CHUNKS = 200_000
_MAX_TEXTS = 10_000
_MAX_TEXT = 10_000  # Bytes of each.

# Numbers of HDF5's filters.
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3


def has(group: "h5py.Group", name: str) -> bool:
    """Returns whether a group has a member of that name in the same file."""
    import h5py

    # `name in group` would follow links.
    links = group.id.links
    name = name.encode("utf-8", "surrogateescape")
    return (
        links.exists(name) and links.get_info(name).type == h5py.h5l.TYPE_HARD
    )


def is_group(group: "h5py.Group", name: str) -> bool:
    """Returns whether a member of a group is a group of this file."""
    import h5py

    return has(group, name) and isinstance(group[name], h5py.Group)


def dataset(group: "h5py.Group", name: str) -> "h5py.Dataset":
    """Returns a dataset whose values are stored in this file.

    Raises:
        ValueError: If it does not exist or has more than `MAX_BYTES`.
    """
    import h5py

    where = repr(name[:80])
    if not has(group, name):
        raise ValueError(f"{where}: missing, or a link, which is not followed")
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{where}: expected values, got a group")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{where}: values in another file are not read")
    if dataset.shape is None:
        raise ValueError(f"{where}: it is empty")
    size = math.prod(dataset.shape) * max(dataset.dtype.itemsize, 1)
    if size > MAX_BYTES or max(dataset.shape, default=0) > MAX_BYTES:
        raise ValueError(f"{where}: more than {MAX_BYTES} bytes")
    return dataset


def values(dataset: "h5py.Dataset") -> np.ndarray:
    """Returns the values of a dataset from `dataset`: numbers, or bytes.

    Raises:
        ValueError: If they are of another type, such as references, are
            compressed in an unknown way, or are damaged. h5py may raise other
            exceptions.
    """
    import h5py

    where = repr(dataset.name[:80])
    if dataset.dtype.hasobject:
        if h5py.check_string_dtype(dataset.dtype) is None:
            raise ValueError(f"{where}: values of type {dataset.dtype}")
        return _texts(dataset, where)
    filters = _filters(dataset, where)
    if not filters:
        return dataset[()]
    shape, step = dataset.shape, dataset.chunks
    size = math.prod(step) * dataset.dtype.itemsize
    count = math.prod(-(-n // c) for n, c in zip(shape, step, strict=True))
    if size > MAX_BYTES or count > _MAX_CHUNKS:
        raise ValueError(f"{where}: {count} chunks of {size} bytes; too many")
    found = np.full(shape, dataset.fillvalue, dataset.dtype)
    for place in dataset.iter_chunks():
        start = tuple(side.start for side in place)
        if dataset.id.get_chunk_info_by_coord(start).byte_offset is None:
            continue  # The chunk was never written.
        mask, content = dataset.id.read_direct_chunk(start)
        width = dataset.dtype.itemsize
        content = _unfiltered(content, filters, mask, size, width)
        if len(content) != size:
            raise ValueError(f"{where}: a chunk of {len(content)} bytes")
        chunk = np.frombuffer(content, dataset.dtype).reshape(step)
        # The last chunks extend beyond the dataset.
        found[place] = chunk[tuple(slice(0, p.stop - p.start) for p in place)]
    return found


def attribute(group: "h5py.Group | h5py.Dataset", name: str):
    """Returns the value of an attribute, text as `numpy.bytes_`.

    Raises:
        KeyError: If the attribute does not exist.
        ValueError: If it has several values.
    """
    if group.attrs.get_id(name).shape != ():
        raise ValueError(f"{name!r}: expected an attribute of one value")
    return group.attrs[name]


def _texts(dataset, where):
    """Reads texts one by one: many may refer to the same long text."""
    if dataset.size > _MAX_TEXTS:
        raise ValueError(f"{where}: more than {_MAX_TEXTS} texts")
    found = np.empty(dataset.shape, object)
    for place in np.ndindex(dataset.shape):
        text = dataset[place]
        if len(text) > _MAX_TEXT:
            raise ValueError(f"{where}: a text of {len(text)} bytes")
        found[place] = text
    return found


def _filters(dataset, where):
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(n)[0] for n in range(plist.get_nfilters())]
    unknown = set(filters) - {_DEFLATE, _SHUFFLE, _CHECKSUM}
    if unknown:
        raise ValueError(
            f"{where}: compressed by HDF5's filter {min(unknown)}, which is "
            "not supported; save it with gzip or without compression"
        )
    return filters


def _unfiltered(content, filters, mask, size, width):
    """Returns a chunk before its filters, at most as large as its size."""
    for place, code in reversed(list(enumerate(filters))):
        if mask >> place & 1:  # The filter was skipped for this chunk.
            continue
        if code == _DEFLATE:
            # It may end in a checksum.
            content = zlib.decompressobj().decompress(content, size + 4)
        elif code == _CHECKSUM:
            content = content[:-4]
        else:
            content = np.frombuffer(content, np.uint8)
            content = content.reshape(width, -1).T.tobytes()
    return content
