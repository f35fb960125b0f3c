"""The library that the steps of a bertworks pipeline are made of.

Nothing is imported here on purpose: `import bertworks` is instant, and heavy libraries are imported
by the module that uses them.
"""

__version__ = "0.1.0"
