"""`python -m kcv` is the `kcv` command."""

import sys

from kcv.cli import main

sys.exit(main())
