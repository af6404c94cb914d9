"""What a request costs: the same configuration and load for ours, Envoy, nginx and HAProxy, in one run.

Here: scenarios (one file each), how each proxy is started, how load is made, how CPU time and memory are read.
Not here: budgets of single functions (tests/perf).  `python -m bench --help`.
"""
