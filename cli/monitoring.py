"""Commands to be filled in."""

import typer

app = typer.Typer()
