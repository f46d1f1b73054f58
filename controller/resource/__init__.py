"""The custom resource as users write it: names, spec and status models, conditions. Pure."""

GROUP = "dashdb.dev"
VERSION = "v1alpha1"
KIND = "DashboardDatabase"
PLURAL = "dashboarddatabases"
SINGULAR = "dashboarddatabase"
SHORT_NAME = "ddb"
