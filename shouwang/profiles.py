"""`shouwang profiles`: what device profiles there are, whether one is right, and what a payload means."""

import typer

from shouwang.profiles_check import check
from shouwang.profiles_decode import decode
from shouwang.profiles_new import new
from shouwang.profiles_show import list_profiles, show
from shouwang.profiles_try import try_

app = typer.Typer(no_args_is_help=True, help="Device profiles: list, show, new, check, decode, try.")
app.command("list")(list_profiles)
app.command()(show)
app.command()(new)
app.command()(check)
app.command()(decode)
app.command("try")(try_)
