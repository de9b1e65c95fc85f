"""What a person types: the `maeari` command, and the one-machine stack it starts."""
