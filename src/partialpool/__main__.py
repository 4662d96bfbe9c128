"""`python -m partialpool`: the command."""

from partialpool.cli import main

if __name__ == "__main__":
    main()
