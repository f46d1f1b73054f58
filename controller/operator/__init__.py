"""The operator: custom resources to desired states, and results to status, events and endpoints.

handlers       what kopf calls
kopf_settings  kopf's settings, each with its reason
resource       one resource, parsed once
adapter        one resource for the reconcile loop
status         findings to conditions and events (pure)
supervisor     all resources: one loop for each
secrets        the Secrets that a resource names
client         the few calls to the API server that kopf does not make for us
credentials    the way to the API server, for kopf and for the client
shard          which resources are ours, where several operators share them (pure)
lease          decisions of the election over one Lease (pure)
election       the election: when this replica leads, and whether it may act now
work           the work of the replica that leads: kopf, and the supervisor
settings       options of the operator
service        starts and stops the whole
"""
