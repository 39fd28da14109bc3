"""The web pages: rendered here, kept fresh by a little script, whole without it."""
