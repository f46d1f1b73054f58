{{- /* The image by its digest, or else by its tag. */ -}}
{{- define "dashdb.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* `yes` where readers of the endpoints need a token, else nothing. */ -}}
{{- define "dashdb.authorizes" -}}
{{- if kindIs "bool" .Values.authorizeEndpoints -}}
{{- if .Values.authorizeEndpoints }}yes{{ end -}}
{{- else if not .Values.namespaces -}}
yes
{{- end -}}
{{- end }}
