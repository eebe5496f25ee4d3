"""Free SQL over the history: one SELECT, in a process of its own that can do nothing else."""
