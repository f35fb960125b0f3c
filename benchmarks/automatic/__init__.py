"""What `make bench-auto` is made of: the data sets, one run of `bertworks auto`, and its speed."""
