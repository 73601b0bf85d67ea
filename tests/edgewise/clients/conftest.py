"""
Clients that others wrote, against the real Worker under the real `wrangler dev`.

Nothing of theirs is changed but the base URL. They are installed apart, in .build/clients.
"""

import os
import sys

from tools import prepare

# At the end: what .venv has too comes from there, in the same version.
sys.path.append(str(prepare.CLIENTS))
# They look at these when they are imported: nobody but the Worker is to be asked.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
