"""Tries a pipeline in a process of its own before it is deployed: what it would be, and what is wrong with it.

`run.py` starts the process `hayhooks.trial_process`, `lint.py` reads the code without
running it. The report is `{"name", "ok", "problems": [{"severity", "message", "file", "line",
"hint"}], "routes", "schema", "streaming", "example", "openapi", "output", "seconds"}`, of which
a failure leaves out what it prevented.
"""
