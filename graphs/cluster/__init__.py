"""`engine: ray`: the examinations of a round on worker processes, of this machine and of others.

The driver, which is the run's own process, keeps all that there is one of: the ledger, the budget,
the rate limits, the cache of calls. Workers ask it before each call and tell it each answer, so
what holds on one machine holds on many. `pool.py` is the driver's side, `worker.py` the other one,
`messages.py` what goes between them, `nodes.py` what is looked at before anything is paid for.
"""
