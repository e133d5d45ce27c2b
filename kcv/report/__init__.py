"""What a finished run looks like: one self-contained page, and its figures one by one."""

from kcv.report.page import write as write
from kcv.report.plots import confusion as confusion
from kcv.report.plots import curves as curves
from kcv.report.scores import examples as examples

__all__ = ["confusion", "curves", "examples", "write"]
