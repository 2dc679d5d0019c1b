"""`python -m replay` is the `tapwatch` command."""

from replay.cli import main

if __name__ == "__main__":
    main()
