{{/* What objects are called, what marks them, and what the configuration says about ports. */}}

{{- define "mandate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "mandate.fullname" -}}
{{- $name := include "mandate.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods: never changes over the life of a release. */}}
{{- define "mandate.selector" -}}
app.kubernetes.io/name: {{ include "mandate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mandate.labels" -}}
{{ include "mandate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "mandate.image" -}}
{{- $image := .Values.image -}}
{{- $tag := default .Chart.AppVersion $image.tag -}}
{{ $image.repository }}:{{ $tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* The listeners that the configuration has and other pods may reach, as JSON: name to port. */}}
{{- define "mandate.ports" -}}
{{- $ports := dict -}}
{{- with .Values.config.listen.http -}}{{- $_ := set $ports "http" (int .port) -}}{{- end -}}
{{- with .Values.config.listen.https -}}{{- $_ := set $ports "https" (int .port) -}}{{- end -}}
{{- with .Values.config.listen.forwardAuth -}}{{- $_ := set $ports "forward-auth" (int .port) -}}{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{- define "mandate.operationsPort" -}}
{{- int .Values.config.listen.operations.port -}}
{{- end -}}

{{/* By which listener the ingress controller reaches the gateway. */}}
{{- define "mandate.backend" -}}
{{- if .Values.config.listen.http -}}http{{- else -}}https{{- end -}}
{{- end -}}

{{/* The host of publicUrl and those of the routes that Mandate forwards, as JSON. Where an ingress of yours forwards (forwardAuth) it has the host. */}}
{{- define "mandate.ownHosts" -}}
{{- $hosts := list (get (urlParse .Values.config.publicUrl) "hostname") -}}
{{- range .Values.config.routes -}}
{{- if not .forwardAuth -}}{{- with .match -}}{{- with .host -}}{{- $hosts = append $hosts . -}}{{- end -}}{{- end -}}{{- end -}}
{{- end -}}
{{- $hosts | uniq | toJson -}}
{{- end -}}

{{- define "mandate.ingressHosts" -}}
{{- .Values.ingress.hosts | default (include "mandate.ownHosts" . | fromJsonArray) | toJson -}}
{{- end -}}

{{/* Which of its own hosts the Ingress does not serve, as JSON. */}}
{{- define "mandate.unservedHosts" -}}
{{- $served := include "mandate.ingressHosts" . | fromJsonArray -}}
{{- $left := list -}}
{{- range include "mandate.ownHosts" . | fromJsonArray -}}
{{- $wild := regexReplaceAll "^[^.]+" . "*" -}}
{{- if not (or (has . $served) (has $wild $served)) -}}{{- $left = append $left . -}}{{- end -}}
{{- end -}}
{{- toJson $left -}}
{{- end -}}
