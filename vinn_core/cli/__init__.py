"""What is typed: the command line, its output, and the programs that stand beside it."""
