"""Who may ask, and how much.

keys       one API key: made, parsed, compared
keyfile    the keys of a file, or of a Kubernetes Secret that is mounted as a folder
tokens     bearer tokens of an OpenID Connect issuer
jwks       that issuer's public keys: fetched, kept, rotated
rates      how much a caller may ask for in a minute
quotas     how much in a day; the counts outlive the server
caller     who asks, and what is left to them
guard      knows callers by key or token, for HTTP and gRPC alike
layer      the ASGI layer that puts the caller into a request, or refuses it
tls        certificates that are read anew when they change
"""
