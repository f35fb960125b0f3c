"""The page at `/`, and what it asks the server.

files/       the page: HTML, CSS and ES modules, as a browser gets them; no build step
static       these files with the headers that keep them harmless
joining      the routes and verbs that it brings to a server
asking       the verbs: :explain and :similar
describing   all of it for the OpenAPI document
card/        the model card: what an agent is, how good, how it was made
occlusion    which words an answer hangs on
similar      training rows that are like a text
figures      what the server counted, as the page shows it
"""
