"""An open language model behind an HTTP endpoint on Cloudflare's network."""

VERSION = "0.1.0"
