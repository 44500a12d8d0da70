"""Where trainings run: this process, or Ray actors that watch a process each."""
