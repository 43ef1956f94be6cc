{{- define "kalla.labels" -}}
app.kubernetes.io/name: kalla
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* the labels by which the pods of a part are found: (list context "executor") */}}
{{- define "kalla.selector" -}}
app.kubernetes.io/name: kalla
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "kalla.secret" -}}
{{ .Values.existingSecret | default (printf "%s-kalla" .Release.Name) }}
{{- end }}

{{/* the storage of a part: (list context "app") */}}
{{- define "kalla.storage" -}}
{{- $s := (index . 0).Values.storage -}}
{{ required "storage.uri: say where the object storage is: s3://bucket/prefix" $s.uri | trimSuffix "/" }}/{{ index . 1 }}{{ with $s.query }}?{{ . }}{{ end }}
{{- end }}

{{- define "kalla.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "kalla.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
