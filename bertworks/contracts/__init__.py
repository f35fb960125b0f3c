"""Contracts: the types of what artifacts, the model store and runs hold.

Each file has one type, a frozen dataclass, and one `File` that reads and writes it. A file is checked
when it is read; behind that its type is trusted. Importing the types is instant: what checks them
(pydantic) is loaded with the first file.
"""
