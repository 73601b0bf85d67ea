"""The door between Python and JavaScript: the one package that knows both."""
