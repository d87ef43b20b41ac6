"""The reel in an e-mail: texts, the picture's HTML for templates, the whole message, and its way to the mail server.

For the backend. `jinja.py` needs Jinja2, `apps.py` and `templatetags/` need Django, all else the base install alone.
"""
