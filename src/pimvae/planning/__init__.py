"""What a run will take: operations, memory, disk and time.

`operations` and `resources` count from the configuration, without torch, so that the DAG can tell a scheduler;
`measure` times the device at hand for ``pimvae plan`` (`job`).
"""
