"""Tries a pipeline in a process of its own before it is deployed: what it would be, and what is wrong with it.

`run.py` starts the process `hayhooks.trial_process`, whose report has the shape of `report.py`.
`lint.py` reads the code without running it, `places.py` and `hints.py` say where a failure came
from and what to do.
"""
