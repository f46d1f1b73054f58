"""The kopf edge: what Kubernetes tells us goes in, what a turn says goes out.

client     the few calls to the API server that kopf does not make for us
login      the way to the API server, for kopf and for the client
tuning     kopf's settings, each with its reason
handlers   what kopf calls
resource_loop   one resource: when to look, one turn, write
fleet      all resources
service    starts and stops the whole
"""
