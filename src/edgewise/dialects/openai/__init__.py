"""The dialect of OpenAI."""
