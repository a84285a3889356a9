"""Own data on the command line: from files to a model, its evaluation, latents and imputations."""
