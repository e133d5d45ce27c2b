"""The libraries whose pixels are the reference; tests without them are skipped."""

import re
import sys

import pytest
import torch

_KEPT = []


def torchvision_or_skip():
    """Import torchvision, also where it was compiled for a torch with CUDA that is not there."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    _KEPT.append(library)
    for _ in range(40):
        try:
            library_of_transforms = __import__("torchvision")
            # Only now: it imports torchvision itself.
            pytest.importorskip("timm")
            return library_of_transforms
        except ImportError:
            break
        # Its compiled operators, of which no transform needs one, are missing: named, they will do.
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+)", str(error))
            if missing is None:
                raise
            library.define(f"{missing[1]}(Tensor x) -> Tensor")
            for name in [one for one in sys.modules if one.split(".")[0] == "torchvision"]:
                del sys.modules[name]
    return pytest.skip("torchvision cannot be imported")
