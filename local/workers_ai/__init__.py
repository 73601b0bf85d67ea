"""
Workers AI on this machine: an HTTP server that speaks the protocol of the AI binding.

It is a stand-in, not a model: the text is made up, the protocol is real.
"""
