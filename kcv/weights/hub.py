"""Files of the Hugging Face hub, through `huggingface_hub` and its cache."""

import hashlib
import logging
import os
import re
from pathlib import Path

from kcv.version import __version__
from kcv.weights import places

log = logging.getLogger("kcv")


def fetch(repo: str, names: tuple[str, ...], revision: str | None = None) -> Path | None:
    """Return the first file of several names that a repository has, None if it has none.

    Looked for in `CACHE/hub/ORG/NAME` (put there by hand), then in the hub's cache, then on the
    hub: what is here is taken without asking whether there is a newer one.

    Args:
        repo: `"ORG/NAME"`.
        names: the file wanted, or several in order of preference.
        revision: a branch, tag or commit, by default the main branch.

    Raises:
        FileNotFoundError: if there is no such repository, or the file is not here and
            `KCV_OFFLINE=1`.
        ConnectionError: if the hub cannot be reached.
        ImportError: if huggingface_hub is not installed.
        ValueError: if the file does not have the hash that the hub gives.
    """
    by_hand = [places.cache() / "hub" / repo / name for name in names]
    here = next((path for path in by_hand if path.is_file()), None)
    if here is not None:
        return here
    way_out = (
        f"Fetch {places.hub()}/{repo}/resolve/{revision or 'main'}/{names[0]} elsewhere "
        f"and put it at {by_hand[0]}."
    )
    library = _library(repo, way_out)
    cached = [
        library.try_to_load_from_cache(repo, name, _cache_folder(), revision) for name in names
    ]
    found = next((path for path in cached if isinstance(path, str)), None)
    if found is not None:
        return Path(found)
    if places.is_offline():
        raise FileNotFoundError(f"{names[0]} of {repo} is not here and KCV_OFFLINE=1. {way_out}")
    places.check_address(places.hub())
    if not places.is_reachable(places.hub()):
        raise ConnectionError(f"There is no connection to {places.hub()}. {way_out}")
    return next(
        (path for name in names if (path := _download(library, repo, name, revision))), None
    )


def _library(repo: str, way_out: str):
    try:
        import huggingface_hub
    except ImportError:
        raise ImportError(
            f"{repo} is on the Hugging Face hub, for which huggingface_hub is needed: "
            f"pip install 'kcv[hub]'. Or without it: {way_out}"
        ) from None
    return huggingface_hub


def _cache_folder() -> str | None:
    """Return a folder of kcv's if the user chose one, None for the library's own."""
    return str(places.cache() / "huggingface") if os.environ.get("KCV_CACHE") else None


def _download(library, repo: str, name: str, revision: str | None) -> Path | None:
    errors = library.errors
    try:
        path = library.hf_hub_download(
            repo,
            name,
            revision=revision,
            cache_dir=_cache_folder(),
            endpoint=places.hub(),
            library_name="kcv",
            library_version=__version__,
        )
    # LocalEntryNotFoundError is an EntryNotFoundError too, but means: no connection
    except errors.LocalEntryNotFoundError as error:
        raise ConnectionError(
            f"{name} of {repo} could not be loaded: {_cause(error)} Try again."
        ) from None
    except errors.EntryNotFoundError:
        return None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        where = f" with the revision {revision}" if revision else ""
        raise FileNotFoundError(
            f"{places.hub()} has no open repository {repo}{where}. If it is a closed one, "
            "log in with: hf auth login."
        ) from None
    except (errors.HfHubHTTPError, errors.FileMetadataError, OSError) as error:
        if isinstance(error, OSError) and error.errno and error.filename:
            raise  # the disk's, not the hub's
        raise ConnectionError(f"{name} of {repo} could not be loaded: {_cause(error)}") from None
    _check_hash(Path(path))
    return Path(path)


def _cause(error: BaseException) -> str:
    """Return the first line of what lies behind an error, as a sentence."""
    cause = error.__cause__ or error.__context__ or error
    return str(cause).strip().partition("\n")[0].rstrip(".:") + "."


def _check_hash(path: Path) -> None:
    """Compare a large file with its name in the hub's cache, which is its SHA-256."""
    blob = path.resolve()
    if not re.fullmatch("[0-9a-f]{64}", blob.name):
        return
    with open(blob, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != blob.name:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise ValueError(
            f"{path.name} arrived damaged: its SHA-256 is {found}, not {blob.name}. "
            "It was deleted; try again."
        )
