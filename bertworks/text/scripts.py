"""Characters of scripts, as they stand in the brackets of regular expressions."""

CHINESE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Chinese characters of the basic plane: Unicode's CJK blocks, without kana and Hangul."""
