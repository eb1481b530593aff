{{/* What the configuration leads to, and by which ports, for the words after an installation. */}}

{{/* An address of the configuration: text, or the variable of `env` that has it. Empty where a Secret has it. */}}
{{- define "mandate.text" -}}
{{- $value := index . 1 -}}
{{- if kindIs "map" $value -}}{{- get (default dict (index . 0).Values.env) (default "" $value.env) -}}{{- else -}}{{- $value -}}{{- end -}}
{{- end -}}

{{/* Every origin that it connects to, as JSON: origin to what it is for. */}}
{{- define "mandate.origins" -}}
{{- $found := dict -}}
{{- range $at, $route := .Values.config.routes -}}
{{- with $route.upstream -}}
{{- $servers := list . -}}
{{- if and (kindIs "map" .) (hasKey . "servers") -}}{{- $servers = .servers -}}{{- end -}}
{{- range $servers -}}
{{- $_ := set $found (include "mandate.text" (list $ .)) (printf "the route %s" (default (toString $at) $route.name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $cluster := .Values.config.clusters -}}
{{- $_ := set $found (include "mandate.text" (list $ $cluster.server)) (printf "the cluster %s" $name) -}}
{{- end -}}
{{- range $name, $provider := .Values.config.providers -}}
{{- with $provider.issuer -}}{{- $_ := set $found (include "mandate.text" (list $ .)) (printf "the provider %s" $name) -}}{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* Those whose port no rule of the NetworkPolicy lets out, as JSON: lines to read. Loopback is inside the pod. */}}
{{- define "mandate.shutOff" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $out := list -}}
{{- with $policy.outside -}}{{- if .to -}}{{- range .ports -}}{{- $out = append $out (toString .) -}}{{- end -}}{{- end -}}{{- end -}}
{{- range $policy.egress -}}{{- range .ports -}}{{- $out = append $out (toString .) -}}{{- end -}}{{- end -}}
{{- $lines := list -}}
{{- range $origin, $of := include "mandate.origins" . | fromJson -}}
{{- $url := urlParse $origin -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" (default "" $url.host)) | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- $loopback := regexMatch "^(localhost|127[.][0-9.]+|::1)$" (default "" $url.hostname) -}}
{{- if not (or (not $url.host) $loopback (has $port $out)) -}}{{- $lines = append $lines (printf "port %s of %s, for %s" $port $origin $of) -}}{{- end -}}
{{- end -}}
{{- $lines | sortAlpha | toJson -}}
{{- end -}}

{{/* Peers or ranges of a policy in words: a range by itself, labels as key=value, anything else as it was written. */}}
{{- define "mandate.peers" -}}
{{- $words := list -}}
{{- range . -}}
{{- $of := list -}}
{{- range $kind, $which := dict "namespaces" .namespaceSelector "pods" .podSelector -}}
{{- if $which -}}
{{- $labels := list -}}
{{- range $key, $value := $which.matchLabels -}}{{- $labels = append $labels (printf "%s=%s" $key $value) -}}{{- end -}}
{{- $of = append $of (printf "%s with %s" $kind (ternary (join "," $labels) (toJson $which) (and (hasKey $which "matchLabels") (eq (len $which) 1)))) -}}
{{- end -}}
{{- end -}}
{{- $range := default (dig "ipBlock" "cidr" "" .) .cidr -}}
{{- $words = append $words (default (default (toJson .) (join ", " $of)) $range) -}}
{{- end -}}
{{- join "; " $words -}}
{{- end -}}
