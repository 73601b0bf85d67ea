"""
Workers AI on this machine: an HTTP server that speaks its protocol and its REST API.

It is no model: the text is made up, scripted, or another server's.
"""
