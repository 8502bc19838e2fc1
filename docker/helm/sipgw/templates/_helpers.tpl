{{- define "sipgw.labels" -}}
app: {{ .Release.Name }}
{{- end }}
