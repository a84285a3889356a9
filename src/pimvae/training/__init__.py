"""Stacked training of replicas: packing of data, the step, the loop, the files of a run."""
