"""HTTP: the V1 and V2 inference protocols behind a gate that bounds what they see.

crowd        how many connections there are, and who makes room
connection   one client: headers, silence, slow reading
gate         one request: body, place in line, who is still there, the log's line
app          which path is what; requests that ask a model take the short way
v1, v2       bodies read strictly, answers written; events: the CloudEvents around them
routes       all other paths: health, metadata, metrics, repository
openapi      what is offered, as a document
listening    uvicorn: where it is set up, and stops
"""
