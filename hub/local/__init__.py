"""A hub on this machine: the embedded broker and one worker as child processes, started again when they die."""
