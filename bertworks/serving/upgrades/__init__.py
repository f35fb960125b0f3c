"""New bundles beside those that serve: followed, tried on a share of the traffic, swapped, put back.

pointers     which versions the store wants to serve, and to be tried
admission    a new bundle is loaded beside the old and must prove itself before it may answer
follower     looks at the store again and again, and acts on what changed
versions     what is loaded now: the champion, the one before it, a challenger
evidence     a sequential test that may be looked at after every request
matching     makes comparable differences of what two arms did
comparison   the figures of a challenger against the champion, and the verdict
canary       which requests the challenger answers, and what became of them
shadow       the challenger answers too, and nobody waits
"""
