"""What is served: models by name, the bundles behind them, and how these are loaded and tried.

bundle     one loaded bundle with its lane in the engine
served     a name that clients know, and the router that says which bundle answers
registry   all of them; load and unload
trial      what a bundle must do before it is asked: warm-up, and the same answer on every path
"""
