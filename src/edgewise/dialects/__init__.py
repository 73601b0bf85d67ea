"""Whose words requests and answers are in: a module or a folder for each, and one line here."""

from ..routes import Api
from .cloudflare import CLOUDFLARE
from .native import NATIVE
from .openai.api import OPENAI

API = Api([NATIVE, OPENAI, CLOUDFLARE])
