// Package monitoring names the Go types whose CRDs controller-gen writes.
package monitoring

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
