"""`python -m controller` is `dashdb`."""

from controller.cli import main

if __name__ == "__main__":
    main()
