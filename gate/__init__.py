"""`gate`: a regression gate for fine-tuned language models.

Importing this package must stay cheap: no submodule is imported here, and torch never is.
"""

__version__ = "0.1.0"
