"""HDF5 from strangers, within bounds.

Links are not followed, and what lies in other files is not read. Chunks are
unpacked here: a chunk's own filters, in HDF5, return whatever comes out.
"""

import math
import typing
import zlib

import numpy as np

if typing.TYPE_CHECKING:
    import h5py

# Of a dataset.
MAX_BYTES = 256 * 2**20
_MAX_CHUNKS = 200_000
_MAX_TEXTS = 10_000
_MAX_TEXT = 10_000  # Bytes of one.

# HDF5's numbers of filters.
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3


def has(group: "h5py.Group", name: str) -> bool:
    """Whether a group has something of that name, in this file itself."""
    import h5py

    # `name in group` opens what links lead to.
    links = group.id.links
    name = name.encode("utf-8", "surrogateescape")
    return (
        links.exists(name) and links.get_info(name).type == h5py.h5l.TYPE_HARD
    )


def is_group(group: "h5py.Group", name: str) -> bool:
    """Whether it is a group of this file."""
    import h5py

    return has(group, name) and isinstance(group[name], h5py.Group)


def dataset(group: "h5py.Group", name: str) -> "h5py.Dataset":
    """Returns a dataset whose values are in this file.

    Raises:
        ValueError: If there is none of that name, or it has more than
            `MAX_BYTES`.
    """
    import h5py

    where = repr(name[:80])
    if not has(group, name):
        raise ValueError(f"{where}: missing, or a link; not read")
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{where}: expected values, got a group")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{where}: its values are in another file; not read")
    if dataset.shape is None:
        raise ValueError(f"{where}: it is empty")
    size = math.prod(dataset.shape) * max(dataset.dtype.itemsize, 1)
    if size > MAX_BYTES or max(dataset.shape, default=0) > MAX_BYTES:
        raise ValueError(f"{where}: more than {MAX_BYTES} bytes")
    return dataset


def values(dataset: "h5py.Dataset") -> np.ndarray:
    """Returns the numbers or texts, as bytes, of what `dataset` returned.

    Raises:
        ValueError: If they are of another type, as references are, packed
            in a way that is not known, or damaged. h5py may raise others.
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
        raise ValueError(f"{where}: {count} chunks of {size} bytes; not read")
    found = np.full(shape, dataset.fillvalue, dataset.dtype)
    for place in dataset.iter_chunks():
        start = tuple(side.start for side in place)
        if dataset.id.get_chunk_info_by_coord(start).byte_offset is None:
            continue  # It was never written.
        mask, content = dataset.id.read_direct_chunk(start)
        width = dataset.dtype.itemsize
        content = _unfiltered(content, filters, mask, size, width)
        if len(content) != size:
            raise ValueError(f"{where}: a chunk of {len(content)} bytes")
        chunk = np.frombuffer(content, dataset.dtype).reshape(step)
        # The last ones are larger than what is left.
        found[place] = chunk[tuple(slice(0, p.stop - p.start) for p in place)]
    return found


def attribute(group: "h5py.Group | h5py.Dataset", name: str):
    """Returns the value of an attribute; text as `numpy.bytes_`.

    Raises:
        KeyError: If there is none of that name.
        ValueError: If it has several values.
    """
    if group.attrs.get_id(name).shape != ():
        raise ValueError(f"{name!r}: expected an attribute of one value")
    return group.attrs[name]


def _texts(dataset, where):
    """Reads one after the other: many may be one text, which is long."""
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
            f"{where}: packed by HDF5's filter {min(unknown)}, which is not "
            "read; save it with gzip or without compression"
        )
    return filters


def _unfiltered(content, filters, mask, size, width):
    """Returns a chunk as it was before its filters, at most of its size."""
    for place, code in reversed(list(enumerate(filters))):
        if mask >> place & 1:  # It did not help.
            continue
        if code == _DEFLATE:
            # There may be a checksum in it.
            content = zlib.decompressobj().decompress(content, size + 4)
        elif code == _CHECKSUM:
            content = content[:-4]
        else:
            content = np.frombuffer(content, np.uint8)
            content = content.reshape(width, -1).T.tobytes()
    return content
